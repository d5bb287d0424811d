// The hub is killed in each phase of a call and started again on the same database and port: no call is lost, what flows goes on
// flowing, and everybody agrees afterwards.

import assert from 'node:assert/strict';
import { DOOR_HERTZ, PATIENCE } from './house.js';
import { until } from './lib.js';
import { VOICE_HERTZ } from './phone.js';
import { converse, inHouse, isAllQuiet } from './stage.js';

/** One call and no other, from the first ring on. */
function isOneCall(phone) {
  assert.equal(phone.sessions.size, 1, `one call at ${phone.uid}`);
}

async function hangUp(house, phone, ...others) {
  await phone.tap('Hang up');
  await isAllQuiet(house, phone, ...others);
}

inHouse('dialing: a press while the hub is away rings when it is back', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await house.hub.kill();
  await anna.isConnected('offline');
  await panel.press();
  await panel.stands('Dialing');
  await house.startHub();
  await anna.sees();
  isOneCall(anna);
  await anna.answer();
  await converse(panel, anna);
  await hangUp(house, anna);
});

inHouse('ringing: it goes on ringing', {}, async ({ house, panel, phone }) => {
  const [anna, ben] = [await phone('anna'), await phone('ben')];
  await panel.press();
  await Promise.all([anna.sees(), ben.sees()]);
  await house.hub.kill();
  await Promise.all([anna.isConnected('offline'), ben.isConnected('offline')]);
  await Promise.all([anna.sees(), ben.sees()]);
  assert.match(panel.status, /^Ringing/);
  const since = ben.told.length;
  await house.startHub();
  await Promise.all([anna.isConnected(), ben.isConnected()]);
  await anna.answer();
  await converse(panel, anna);
  await Promise.all([ben.isQuiet(), ben.isClosed()]);
  assert.ok(ben.count('incomingCallReceived', since) <= 1, 'it rings again at most once');
  isOneCall(anna);
  await hangUp(house, anna, ben);
});

inHouse('ringing: an answer given while the hub is away counts when it is back', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.sees();
  await house.hub.kill();
  await anna.tap('Answer');
  await anna.stands('answering');
  assert.equal((await anna.measure()).microphone, false, 'not in the conversation yet');
  await house.startHub();
  await anna.stands('talking');
  await converse(panel, anna);
  isOneCall(anna);
  await hangUp(house, anna);
});

inHouse('ringing: declined while the hub is away is declined, and does not ring again', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.sees();
  await house.hub.kill();
  await anna.tap('Decline');
  await anna.isClosed();
  await house.startHub();
  await panel.stood('Outcome(Rejected)');
  await isAllQuiet(house, anna);
});

inHouse('connecting: the call comes about', { door: { call: 'early-picture = false' } }, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.stands('ringing');
  await anna.tap('Answer');
  await panel.stood('Connecting');
  await house.hub.kill();
  await house.startHub();
  await anna.stands('talking');
  await converse(panel, anna);
  isOneCall(anna);
  await hangUp(house, anna);
});

inHouse('ongoing: picture and sound flow without the hub, and the call can be hung up when it is back', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  await house.hub.kill();
  await anna.isConnected('offline');
  await Promise.all([panel.hears(VOICE_HERTZ), anna.hears(DOOR_HERTZ), anna.sees()]);
  assert.equal(panel.status, 'Ongoing');
  const since = panel.statuses.length;
  await house.startHub();
  await anna.isConnected();
  await converse(panel, anna);
  assert.equal((await anna.measure()).made, 1, 'the connection was never replaced');
  assert.deepEqual(panel.statuses.slice(since), [], 'the door never left the call');
  isOneCall(anna);
  assert.equal((await anna.activeCalls()).length, 1);
  await hangUp(house, anna);
});

inHouse('ending: a resident who hangs up while the hub is away has hung up', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  await house.hub.kill();
  await anna.tap('Hang up');
  await anna.page.getByRole('heading', { name: 'No connection' }).waitFor();
  await anna.isClosed();
  await house.startHub();
  await panel.stood('Outcome(Ended)');
  await isAllQuiet(house, anna);
});

inHouse('ending: a visitor who hangs up while the hub is away has hung up', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  await house.hub.kill();
  await panel.press('flat-1', 2_000);
  await panel.stands('Outcome(Ended)');
  await until('the camera closed', () => !panel.camera && !house.captures, PATIENCE);
  assert.equal(panel.trouble, true, 'that the hub is away can be seen');
  await house.startHub();
  await anna.reads('The visitor hung up.');
  await isAllQuiet(house, anna);
});
