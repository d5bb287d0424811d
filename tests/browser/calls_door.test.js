// A resident calls the door: it is taken by a press, refused by a hold, answered by itself, or declined by its configuration.

import { converse, inHouse, isAllQuiet, screenshotPanel } from './stage.js';

async function callDoor(phone) {
  await phone.page.getByRole('button', { name: 'Call Front door' }).click();
}

inHouse('a press takes the call', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await callDoor(anna);
  await panel.stands('Incoming');
  await anna.reads('Ringing at the door');
  await Promise.all([anna.screenshot('house-calling'), screenshotPanel(house, 'panel-incoming')]);
  await panel.press();
  await anna.stands('talking');
  await converse(panel, anna);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna);
});

inHouse('holding the button refuses the call', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await callDoor(anna);
  await panel.stands('Incoming');
  await panel.press('flat-1', 2_000);
  await anna.reads('The door did not take the call');
  await anna.screenshot('house-door-declined');
  await panel.stood('Outcome(Rejected)');
  await screenshotPanel(house, 'panel-after-refusal');
  await isAllQuiet(house, anna);
});

inHouse('the resident takes the call back', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await callDoor(anna);
  await panel.stands('Incoming');
  await anna.tap('Cancel');
  await isAllQuiet(house, anna);
});

inHouse('a door that answers by itself', { door: { call: 'incoming = "auto-answer"' } }, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await callDoor(anna);
  await anna.stands('talking');
  await converse(panel, anna);
  await panel.press('flat-1', 2_000);
  await anna.reads('The visitor hung up.');
  await isAllQuiet(house, anna);
});

inHouse('a door that takes no calls', { door: { call: 'incoming = "reject"' } }, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await callDoor(anna);
  await anna.reads('The door did not take the call');
  await isAllQuiet(house, anna);
});
