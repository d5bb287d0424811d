// The app with the real hub and the real door: what the small hub of the other tests might have got wrong.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { demo, panelOf } from './demo.js';
import { expectNoFaults, launch, resident, screenshot, until } from './lib.js';

let browser;
let house;
let panel;
let residents;
before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  house = await demo();
  panel = await panelOf(browser, house);
  residents = [];
});
afterEach(async () => {
  try {
    expectNoFaults(...residents);
  } finally {
    for (const context of browser.contexts()) await context.close();
    await house.stop();
  }
});

// Counts what arrives, where the browser counts it: every connection that the page makes is kept in a list.
function watch() {
  globalThis.connections = [];
  const Connection = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Connection {
    constructor(...words) {
      super(...words);
      globalThis.connections.push(this);
    }
  };
}

async function moveIn(name) {
  const link = new URL(house[name]);
  const one = await resident(browser, link.origin, { path: '/manifest.webmanifest' });
  await one.context.addInitScript(watch);
  await one.page.goto(link.href);
  residents.push(one);
  await one.page.getByText('Front door').first().waitFor();
  await one.page.getByText('Connected', { exact: true }).waitFor();
  return one;
}

async function media(page) {
  return page.evaluate(async () => {
    const sum = { frames: 0, energy: 0, sent: 0, connections: globalThis.connections.length };
    for (const connection of globalThis.connections) {
      for (const report of (await connection.getStats()).values()) {
        if (report.type === 'inbound-rtp' && report.kind === 'video') sum.frames += report.framesDecoded;
        if (report.type === 'inbound-rtp' && report.kind === 'audio') sum.energy += report.totalAudioEnergy;
        if (report.type === 'outbound-rtp' && report.kind === 'audio') sum.sent += report.packetsSent;
      }
    }
    return sum;
  });
}

const button = (page, name) => page.getByRole('button', { name, exact: true });
const phase = (page, at) => page.locator(`.call[data-phase="${at}"]`).waitFor();
const quiet = (page) => page.getByText('All quiet at the door').waitFor();
const sees = (page) => until('moving pictures', async () => (await media(page)).frames > 10);
const talks = async (page) => {
  await phase(page, 'talking');
  await until('sound from the door', async () => (await media(page)).energy > 0);
  await until('sound at the door', async () => (await panel.told()).dbfs > -60);
};

test('press, both look, one answers, both hear, hang up', async () => {
  const [anna, ben] = [await moveIn('Anna'), await moveIn('Ben')];
  await panel.press('Flat 1');
  await Promise.all([sees(anna.page), sees(ben.page)]);
  await screenshot(anna.page, 'demo-ringing');
  const silent = await media(anna.page);
  assert.equal(silent.energy, 0, 'no sound of the door before the answer');
  assert.equal(silent.sent, 0, 'no sound to the door before the answer');
  await button(anna.page, 'Answer').click();
  await ben.page.getByText('Anna answered').waitFor();
  await talks(anna.page);
  await screenshot(anna.page, 'demo-talking');
  assert.equal((await media(anna.page)).connections, 1, 'the answer made no new connection');
  await quiet(ben.page);
  await button(anna.page, 'Mute').click();
  await until('silence at the door', async () => (await panel.told()).dbfs <= -60);
  await button(anna.page, 'Muted').click();
  await until('sound at the door again', async () => (await panel.told()).dbfs > -60);
  await button(anna.page, 'Hang up').click();
  await quiet(anna.page);
  await until('the door is idle', async () => /ready|idle/i.test((await panel.told()).status));
});

test('declined by all; cancelled at the door; the door hangs up', async () => {
  const [anna, ben] = [await moveIn('Anna'), await moveIn('Ben')];
  await panel.press('Flat 1');
  await Promise.all([phase(anna.page, 'ringing'), phase(ben.page, 'ringing')]);
  await button(anna.page, 'Decline').click();
  await quiet(anna.page);
  await phase(ben.page, 'ringing');
  await button(ben.page, 'Decline').click();
  await quiet(ben.page);
  await panel.press('Flat 1');
  await sees(anna.page);
  await new Promise((resolve) => setTimeout(resolve, 3_100)); // A press so soon after the first is not yet a cancel.
  await panel.press('Flat 1');
  await anna.page.getByText('The visitor stopped ringing').waitFor();
  await Promise.all([quiet(anna.page), quiet(ben.page)]);
  await panel.press('Flat 1');
  await sees(anna.page);
  await button(anna.page, 'Answer').click();
  await talks(anna.page);
  await panel.press('Flat 1', 1_800);
  await anna.page.getByText('The visitor hung up.').waitFor();
});

test('reload while it rings and while talking; a press on another button', async () => {
  const { page } = await moveIn('Anna');
  await panel.press('Flat 1');
  await sees(page);
  await page.reload();
  await phase(page, 'ringing');
  await sees(page);
  await button(page, 'Answer').click();
  await talks(page);
  await page.reload();
  await talks(page);
  await sees(page);
  await panel.press('Flat 2');
  await page.getByText('Another visitor pressed', { exact: false }).waitFor();
  await button(page, 'Hang up').click();
  await quiet(page);
});

test('a resident calls the door, which accepts by a press', async () => {
  const { page } = await moveIn('Anna');
  await page.getByRole('button', { name: 'Call Front door' }).click();
  await phase(page, 'calling');
  await page.getByText('Ringing at the door').waitFor();
  await panel.press('Flat 1');
  await talks(page);
  await sees(page);
  await button(page, 'Hang up').click();
  await quiet(page);
  await page.getByText('You called').waitFor();
});
