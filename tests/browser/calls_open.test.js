// A resident opens the door in a call: by holding, never by a tap; and learns whether it was opened, and why it was not.

import assert from 'node:assert/strict';
import { PATIENCE } from './house.js';
import { until } from './lib.js';
import { inHouse, isAllQuiet, screenshotPanel } from './stage.js';

inHouse('held, the button opens the door, and its contact tells', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await panel.stands('Ongoing');
  assert.equal(panel.pulses, 0);
  await anna.tap('Hold to open');
  await anna.hold('Hold to open', 900);
  await anna.reads('The door can be opened now');
  await until('the relay is on', () => panel.relay, PATIENCE);
  await Promise.all([anna.screenshot('house-door-released'), screenshotPanel(house, 'panel-released')]);
  await panel.line('door-contact', true);
  await anna.reads('The door is open');
  await until('the relay is off', () => !panel.relay, PATIENCE);
  assert.equal(panel.pulses, 1, 'the tap opened nothing, the hold once');
  await panel.line('door-contact', false);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna);
});

inHouse('tamper keeps it shut, and everybody hears of it', {}, async ({ house, panel, phone }) => {
  const [anna, ben] = [await phone('anna'), await phone('ben')];
  await panel.press();
  await anna.answer();
  await panel.line('tamper', true);
  await ben.reads('Front door: somebody is opening the door station.');
  await anna.hold('Hold to open', 900);
  await anna.reads('The door stays shut: somebody has opened the door station. Please go and look, and tell the caretaker.');
  await anna.screenshot('house-door-tampered');
  assert.equal(panel.pulses, 0);
  await panel.line('request-to-exit', true);
  await until('the exit opens', () => panel.relay, PATIENCE);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna, ben);
});
