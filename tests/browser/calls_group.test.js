// A visitor presses a button of the door, and everybody of the flat rings: real processes, real media, real pages.

import assert from 'node:assert/strict';
import { DOOR_HERTZ } from './house.js';
import { until } from './lib.js';
import { VOICE_HERTZ } from './phone.js';
import { inHouse, screenshotPanel } from './stage.js';

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
  await panel.stands('Ongoing');
  await Promise.all([panel.hears(VOICE_HERTZ), anna.hears(DOOR_HERTZ)]);
  assert.equal((await anna.measure()).made, 1, 'the answer opened no new connection');
  await ben.reads('Anna answered');
  await ben.isClosed();
  await Promise.all([anna.screenshot('house-talking'), screenshotPanel(house, 'panel-ongoing')]);
  await ben.isQuiet();

  await anna.tap('Hang up');
  await anna.isQuiet();
  await panel.stood('Outcome(Ended)');
  await screenshotPanel(house, 'panel-outcome-ended');
  await panel.stands('Idle');
  await anna.isClosed();
  await until('the camera and the microphone closed', () => !panel.camera && !panel.microphone);
});
