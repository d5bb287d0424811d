// What every test of the whole house begins and ends with: one browser for a file, a house of its own for each test, and
// judgement of the logs and pages at the end. When a test fails, everything that was logged is printed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DOOR_HERTZ, House, PATIENCE } from './house.js';
import { screenshot, until } from './lib.js';
import { Phone, VOICE_HERTZ, launchWithVoice } from './phone.js';

let browser;
before(async () => (browser = await launchWithVoice()));
after(() => browser?.close());

/**
 * A test in a house of its own.
 * @param title
 * @param settings for the house; `expected`: errors in the logs that belong to the test
 * @param body gets `{ house, panel, phone, browser }`; `phone(uid)` pairs a new one
 */
export function inHouse(title, settings, body) {
  test(title, { timeout: 240_000 }, async () => {
    const { expected, ...tables } = settings;
    const house = await House.open(tables);
    const phones = [];
    const phone = async (uid, options) => {
      const one = await Phone.pair(browser, house, uid, options);
      phones.push(one);
      return one;
    };
    let failed = true;
    try {
      await body({ house, panel: house.panel, phone, browser });
      for (const one of phones) one.expectNoFaults();
      failed = false;
    } finally {
      if (failed) await testify(title, phones);
      for (const context of browser.contexts()) await context.close();
      for (const one of phones) one.cable?.remove();
      await house.close({ failed, expected });
    }
  });
}

/** Sound both ways, measured at both ends, and the picture. */
export async function converse(panel, phone) {
  await panel.stands('Ongoing');
  await Promise.all([panel.hears(VOICE_HERTZ), phone.hears(DOOR_HERTZ), phone.sees()]);
}

/** Nobody is in a call: neither the door, nor these phones, nor the hub's books; and nothing captures. */
export async function isAllQuiet(house, ...phones) {
  const { panel } = house;
  await Promise.all([panel.stands('Idle'), ...phones.map((phone) => phone.isQuiet())]);
  await Promise.all(phones.map((phone) => phone.isClosed()));
  await until('camera and microphone closed', () => !panel.camera && !house.captures, PATIENCE);
  for (const phone of phones) assert.deepEqual(await phone.activeCalls(), [], phone.uid);
}

/** The panel's page, as a visitor's eyes have it. */
export async function screenshotPanel(house, name) {
  const context = await browser.newContext({ viewport: { width: 420, height: 720 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(house.panel.address);
  await page.getByText(house.panel.status.split(' ')[0]).first().waitFor();
  await screenshot(page, name);
  await context.close();
}

async function testify(title, phones) {
  const name = title.replace(/\W+/g, '-');
  for (const { page, uid, faults } of phones) {
    await screenshot(page, `failed-${name}-${uid}`).catch(() => {});
    console.error(`---- the page of ${uid}\n${await page.locator('body').innerText().catch(() => 'is gone')}\n${faults.join('\n')}\n----`);
  }
}
