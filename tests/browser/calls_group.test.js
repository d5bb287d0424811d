// A visitor presses a button of the door, and everybody of the flat rings: real processes, real media, real pages.

import assert from 'node:assert/strict';
import { until } from './lib.js';
import { VOICE_HERTZ } from './phone.js';
import { converse, inHouse, isAllQuiet, screenshotPanel } from './stage.js';

/** The picture moves, no sound came, and the microphone is shut. */
async function looksInSilence(phone) {
  await phone.sees();
  const { audioReceived, audioSent, microphone, made } = await phone.measure();
  assert.deepEqual({ audioReceived, audioSent, microphone, made }, { audioReceived: 0, audioSent: 0, microphone: false, made: 1 }, phone.uid);
}

inHouse('two residents ring and look, one answers, both hear, the resident hangs up', {}, async ({ house, panel, phone }) => {
  const [anna, ben] = [await phone('anna'), await phone('ben', { colorScheme: 'dark' })];
  assert.equal(panel.camera, false, 'the camera is shut');
  await screenshotPanel(house, 'panel-idle');
  await panel.press();
  await Promise.all([anna.stands('ringing'), ben.stands('ringing')]);
  await Promise.all([looksInSilence(anna), looksInSilence(ben)]);
  await panel.stands('Ringing { delivered: 2, notified: 0, looking: 2 }');
  assert.equal(panel.camera, true, 'the camera is open, and it shows');
  await Promise.all([anna.screenshot('house-ringing'), screenshotPanel(house, 'panel-ringing')]);
  assert.equal(panel.didHear(VOICE_HERTZ), false, 'no voice before the answer');

  await anna.tap('Answer');
  await anna.stands('talking');
  await converse(panel, anna);
  assert.equal((await anna.measure()).made, 1, 'the answer opened no new connection');
  await ben.reads('Anna answered');
  await ben.isClosed();
  await Promise.all([anna.screenshot('house-talking'), screenshotPanel(house, 'panel-ongoing')]);
  await ben.isQuiet();

  await anna.tap('Hang up');
  await anna.isQuiet();
  await panel.stood('Outcome(Ended)');
  await screenshotPanel(house, 'panel-outcome-ended');
  await isAllQuiet(house, anna, ben);
});

inHouse('the visitor hangs up by holding the button', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  await panel.press('flat-1', 2_000);
  await anna.reads('The visitor hung up.');
  await anna.screenshot('house-visitor-hung-up');
  await isAllQuiet(house, anna);
  assert.equal(anna.count('callEnded'), 1);
});

inHouse('one declines and the other still rings; both decline', {}, async ({ house, panel, phone }) => {
  const [anna, ben] = [await phone('anna'), await phone('ben')];
  await panel.press();
  await Promise.all([anna.stands('ringing'), ben.sees()]);
  await anna.tap('Decline');
  await Promise.all([anna.isQuiet(), anna.isClosed()]);
  await panel.stands('Ringing { delivered: 2, notified: 0, looking: 1 }');
  await ben.sees();
  await ben.tap('Decline');
  await panel.stands('Outcome(Rejected)');
  await screenshotPanel(house, 'panel-outcome-rejected');
  await isAllQuiet(house, anna, ben);
});

inHouse('a second press within 3 s is only acknowledged, a later one takes the call back', {}, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  const pressed = Date.now();
  await panel.press();
  await panel.press();
  await anna.stands('ringing');
  assert.equal(anna.count('incomingCallReceived'), 1);
  assert.match(panel.status, /^(Dialing|Ringing)/);
  await until('3 s since the press', () => Date.now() - pressed > 3_300);
  await panel.press();
  await anna.reads('The visitor stopped ringing');
  await anna.screenshot('house-withdrawn');
  await panel.stands('Outcome(Cancelled)');
  await screenshotPanel(house, 'panel-outcome-cancelled');
  await isAllQuiet(house, anna);
});

inHouse('nobody answers', { hub: { call: 'ring-timeout = "5s"' } }, async ({ house, panel, phone }) => {
  const anna = await phone('anna');
  await panel.press();
  await anna.stands('ringing');
  await anna.reads('Nobody answered.');
  await anna.screenshot('house-missed');
  await panel.stands('Outcome(Unanswered)');
  await screenshotPanel(house, 'panel-outcome-unanswered');
  await isAllQuiet(house, anna);
  await anna.reads('Missed');
});

inHouse('both phones of one resident ring, one answers', {}, async ({ house, panel, phone }) => {
  const [hand, wall] = [await phone('anna'), await phone('anna')];
  await panel.press();
  await Promise.all([hand.sees(), wall.sees()]);
  await hand.answer();
  await wall.reads('Anna answered');
  await wall.isClosed();
  await converse(panel, hand);
  assert.equal((await wall.measure()).audioSent, 0);
  await hand.tap('Hang up');
  await isAllQuiet(house, hand, wall);
});
