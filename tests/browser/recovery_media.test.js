// The door's media worker is killed or hangs: the call goes on, with picture and sound as soon as another worker stands ready.

import assert from 'node:assert/strict';
import { PATIENCE, isAlive, signal } from './house.js';
import { recovered, until } from './lib.js';
import { VOICE_HERTZ } from './phone.js';
import { converse, inHouse, isAllQuiet } from './stage.js';

/** The door complains of it, as it should. */
const DEATH = { expected: [/the media worker died/] };

/** Another worker, and with it new connections for these phones. */
async function isReplaced(house, worker, ...phones) {
  await until('the end of the worker', () => !isAlive(worker), PATIENCE);
  for (const phone of phones) await until(`a new connection for ${phone.uid}`, async () => (await phone.measure()).made > 1, PATIENCE);
  assert.notEqual(await house.worker(), worker);
}

inHouse('killed while it rings: the picture comes back, still without sound', DEATH, async ({ house, panel, phone }) => {
  const [anna, ben] = [await phone('anna'), await phone('ben')];
  await panel.press();
  await Promise.all([anna.sees(), ben.sees()]);
  const worker = await house.worker();
  signal(worker, 'SIGKILL');
  await isReplaced(house, worker, anna, ben);
  await Promise.all([anna.sees(), ben.sees()]);
  assert.match(panel.status, /^Ringing/);
  for (const { audioReceived, audioSent } of [await anna.measure(), await ben.measure()]) assert.deepEqual({ audioReceived, audioSent }, { audioReceived: 0, audioSent: 0 });
  assert.equal(panel.didHear(VOICE_HERTZ), false);
  await anna.answer();
  await converse(panel, anna);
  assert.equal(anna.sessions.size, 1);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna, ben);
});

for (const how of ['SIGKILL', 'SIGSTOP']) {
  const what = how === 'SIGKILL' ? 'killed' : 'hanging';
  inHouse(`${what} during a call: picture and sound come back, and it is the same call`, DEATH, async ({ house, panel, phone }) => {
    const anna = await phone('anna');
    await panel.press();
    await anna.answer();
    await converse(panel, anna);
    const since = panel.statuses.length;
    const worker = await house.worker();
    signal(worker, how);
    const struck = performance.now();
    await isReplaced(house, worker, anna);
    await anna.screenshot(`house-after-worker-${what}`);
    await converse(panel, anna);
    recovered(`worker ${what}, with Chromium`, 'picture and sound again', struck);
    assert.ok(panel.statuses.slice(since).every((status) => /^(Connecting|Ongoing)$/.test(status)), `the door stayed in the call: ${panel.statuses.slice(since)}`);
    assert.equal(anna.sessions.size, 1);
    await anna.tap('Hang up');
    await isAllQuiet(house, anna);
  });
}
