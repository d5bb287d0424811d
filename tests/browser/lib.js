// Starts Chromium as the tests need it, and gives each resident a profile of their own.

import { mkdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { chromium } from 'playwright-core';

const SCREENSHOTS = new URL('./screenshots/', import.meta.url).pathname;

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
  '--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection',
];

export const PHONE = { width: 360, height: 740 };
export const DESKTOP = { width: 1280, height: 800 };

export async function launch(extra = []) {
  return chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: [...FLAGS, ...extra] });
}

/**
 * A resident: their own browser profile and page. Errors of the page are collected in `faults`; `expectNoFaults` fails on any.
 * `prepare` is called with both before the page is loaded.
 */
export async function resident(browser, address, { viewport = PHONE, colorScheme = 'light', locale = 'en-GB', path = '/', prepare, ...more } = {}) {
  const context = await browser.newContext({
    viewport, colorScheme, locale, hasTouch: viewport.width < 600, deviceScaleFactor: 2,
    permissions: ['microphone', 'notifications'], ...more,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(25_000);
  await prepare?.(context, page);
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error.stack ?? error)));
  page.on('console', (message) => {
    // The network being away is what some tests are about; the browser writes it down by itself.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection to/.test(message.text())) faults.push(message.text());
  });
  await page.goto(address + path);
  return { context, page, faults, close: () => context.close() };
}

export function expectNoFaults(...residents) {
  for (const { faults } of residents) if (faults.length) throw new Error(`errors in the page:\n${faults.join('\n')}`);
}

export async function screenshot(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png`, animations: 'disabled' });
}

/** Prints what a fault cost since `begun`, as the other tests do (`make recovery`). */
export function recovered(fault, what, begun) {
  console.log(`recovery: ${fault}: ${what} after ${((performance.now() - begun) / 1000).toFixed(2)} s (load ${loadavg()[0].toFixed(2)})`);
}

/** Waits until `probe` is true, or fails saying what it waited for. */
export async function until(what, probe, deadline = 25_000) {
  const end = Date.now() + deadline;
  while (Date.now() < end) {
    if (await probe()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never came: ${what}`);
}
