// The door's process dies in a call: nobody is left talking to a door that is gone, and the next press rings.

import assert from 'node:assert/strict';
import { PATIENCE, isAlive } from './house.js';
import { until } from './lib.js';
import { converse, inHouse, isAllQuiet } from './stage.js';

/** The hub gives a device this long to come back. */
const GRACE = 45_000;

async function killDoor(house) {
  const worker = await house.worker();
  await house.door.kill();
  await until('the end of the media worker with its door', () => !isAlive(worker), PATIENCE);
}

/** The door is there again, and works. */
async function ringsAgain(house, phone) {
  const { panel } = house;
  await panel.stands('Idle');
  await panel.press();
  await phone.sees();
  await phone.answer();
  await converse(panel, phone);
  await phone.tap('Hang up');
  await isAllQuiet(house, phone);
}

inHouse('killed while it rings, and started again: the ring is over', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.sees();
  await killDoor(house);
  await house.startDoor();
  await anna.isQuiet();
  assert.deepEqual(await anna.activeCalls(), []);
  await ringsAgain(house, anna);
});

inHouse('killed during a call, and started again: the call is over', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  await killDoor(house);
  await anna.reads('The picture is interrupted. It comes back by itself.');
  await anna.screenshot('house-picture-interrupted');
  await house.startDoor();
  await anna.reads('Call ended');
  await ringsAgain(house, anna);
});

inHouse('killed during a call, and not seen again: the call is ended for it', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  await killDoor(house);
  await until('the end of a call with a door that is gone', async () => anna.count('callEnded') === 1, GRACE + PATIENCE);
  await anna.reads('The connection to the door was lost.');
  await anna.screenshot('house-door-gone');
  await anna.isQuiet();
  await house.startDoor();
  await ringsAgain(house, anna);
});
