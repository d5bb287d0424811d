// Two at a time: another visitor presses another button during a call, and another door rings somebody who is in a call.

import assert from 'node:assert/strict';
import { converse, inHouse, isAllQuiet, screenshotPanel } from './stage.js';
import { WireDevice } from './wire.js';

inHouse('a press on another button during a call rings after it', {}, async ({ house, panel, phone }) => {
  const [anna, clara] = [await phone('anna'), await phone('clara')];
  await panel.press('flat-1');
  await anna.answer();
  await converse(panel, anna);
  await panel.press('flat-2');
  await anna.reads('Another visitor pressed “Flat 2”');
  await Promise.all([anna.screenshot('house-press-waiting'), screenshotPanel(house, 'panel-press-waiting')]);
  await panel.stands('Ongoing');
  assert.equal(clara.sessions.size, 0, 'nobody of the other flat sees the visitor of the first');
  await anna.tap('Hang up');
  await clara.sees();
  await panel.stands('Ringing { delivered: 1');
  assert.equal((await clara.measure()).audioReceived, 0);
  await clara.answer();
  await converse(panel, clara);
  await clara.tap('Hang up');
  await isAllQuiet(house, anna, clara);
});

inHouse('a press on another button during a call is refused where it is configured so', { door: { call: 'second-button = "refuse"' } }, async ({ house, panel, phone }) => {
  const [anna, clara] = [await phone('anna'), await phone('clara')];
  await panel.press('flat-1');
  await anna.answer();
  await converse(panel, anna);
  await panel.press('flat-2');
  await anna.tap('Hang up');
  await isAllQuiet(house, anna, clara);
  assert.equal(clara.sessions.size, 0);
});

inHouse('a resident in a call answers another door that they are busy', {}, async ({ house, panel, phone }) => {
  const clara = await phone('clara');
  const garden = await WireDevice.enrol(house, await house.addGarden());
  try {
    await panel.press('clara');
    await clara.answer();
    await converse(panel, clara);
    await garden.initiate('user', 'clara', { doorName: 'Garden gate' });
    await clara.reads('Also ringing: Garden gate');
    await clara.screenshot('house-call-waiting');
    await clara.tap('I am busy');
    const { call } = await garden.hears('outgoingCallRejected');
    assert.equal(call.status, 'busy');
    await converse(panel, clara);
    await clara.tap('Hang up');
    await isAllQuiet(house, clara);
  } finally {
    garden.close();
  }
});

inHouse('the door rings somebody who is in a call: busy shows, and hang up and answer takes over', {}, async ({ house, panel, phone }) => {
  const clara = await phone('clara');
  const garden = await WireDevice.enrol(house, await house.addGarden());
  try {
    await garden.initiate('user', 'clara', { doorName: 'Garden gate' });
    await clara.answer();
    await garden.hears('outgoingCallAccepted');
    await panel.press('clara');
    await clara.reads('Also ringing: Front door');
    await clara.tap('I am busy');
    await panel.stands('Outcome(Busy)');
    await screenshotPanel(house, 'panel-outcome-busy');
    await panel.stands('Idle');
    await panel.press('clara');
    await clara.reads('Also ringing: Front door');
    await clara.tap('Hang up and answer');
    await garden.hears('callEnded');
    await clara.stands('talking');
    await converse(panel, clara);
    await clara.tap('Hang up');
    await isAllQuiet(house, clara);
  } finally {
    garden.close();
  }
});
