// A resident's page is loaded again, or their network goes away and comes back.

import assert from 'node:assert/strict';
import { PATIENCE } from './house.js';
import { until } from './lib.js';
import { converse, inHouse, isAllQuiet } from './stage.js';

inHouse('loaded again while it rings: it rings again, once', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.sees();
  const since = anna.told.length;
  await anna.page.reload();
  await anna.sees();
  await panel.stands('Ringing { delivered: 1, notified: 0, looking: 1 }');
  assert.ok(anna.count('incomingCallReceived', since) <= 1, 'once');
  assert.equal(await anna.page.locator('.call').count(), 1);
  const { audioReceived, microphone } = await anna.measure();
  assert.deepEqual({ audioReceived, microphone }, { audioReceived: 0, microphone: false });
  await anna.answer();
  await converse(panel, anna);
  assert.equal(anna.sessions.size, 1);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna);
});

inHouse('loaded again during the call: sound and picture come back, and it is the same call', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  const since = panel.statuses.length;
  await anna.page.reload();
  await anna.stands('talking');
  await until('a connection', async () => (await anna.measure()).connected === 1, PATIENCE);
  await converse(panel, anna);
  assert.ok(panel.statuses.slice(since).every((status) => /^(Connecting|Ongoing)$/.test(status)), `the door stayed in the call: ${panel.statuses.slice(since)}`);
  assert.equal(anna.sessions.size, 1);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna);
});

inHouse('without a network while it rings: what was missed is told', {}, async ({ house, panel, phone }) => {
  const [anna, ben] = [await phone('anna', { cable: true }), await phone('ben')];
  await panel.press();
  await Promise.all([anna.sees(), ben.sees()]);
  await anna.cable.cut();
  await anna.isConnected('offline');
  await anna.screenshot('house-offline');
  await ben.answer();
  await converse(panel, ben);
  await anna.cable.mend();
  await anna.isConnected();
  await Promise.all([anna.isQuiet(), anna.isClosed()]);
  await ben.tap('Hang up');
  await isAllQuiet(house, anna, ben);
});

inHouse('without the hub’s network during the call: it goes on, and both agree afterwards', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna', { cable: true });
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  await anna.cable.cut();
  await anna.isConnected('offline');
  await converse(panel, anna);
  await anna.cable.mend();
  await anna.isConnected();
  await converse(panel, anna);
  assert.equal(anna.sessions.size, 1);
  assert.equal((await anna.activeCalls()).length, 1);
  await panel.press('flat-1', 2_000);
  await anna.reads('The visitor hung up.');
  await isAllQuiet(house, anna);
});
