// What comes up besides the call on the screen: other calls that ring, and visitors who pressed another button.

import { h, icon } from '../elements.js';
import { doorName, t } from '../texts.js';

/**
 * @import { Switchboard } from '../switchboard.js'
 * @import { Line } from '../line.js'
 */

/** @param {Switchboard} switchboard */
export function banners(switchboard) {
  const element = h('div', { class: 'banners', role: 'status' });
  /** @type {string} */
  let drawn = '';

  function update() {
    const { shown, waiting } = switchboard;
    const press = shown?.pressWaiting ?? null;
    // Drawn anew only when something changed: a button must not vanish under the finger.
    const key = JSON.stringify([shown?.phase.at, press, ...waiting.map((line) => [line.call.sessionId, line.seen])]);
    if (key === drawn) return;
    drawn = key;
    const inside = shown?.phase.at === 'talking' || shown?.phase.at === 'answering' || shown?.phase.at === 'calling';
    element.replaceChildren(
      ...waiting.map((line) => ringBanner(switchboard, line, inside)),
      ...(shown && press !== null ? [pressBanner(switchboard, shown, press)] : []),
    );
    for (const line of waiting) if (line.video.srcObject) line.video.play().catch(() => {});
  }

  return { element, update };
}

/**
 * @param {Switchboard} switchboard
 * @param {Line} line
 * @param {boolean} inside this device is in a call
 */
function ringBanner(switchboard, line, inside) {
  const label = line.call.metadata['buttonLabel'];
  const thumb = h('div', { class: 'thumb' }, icon('bell'), line.seen ? line.video : line.still ? line.image : null);
  const words = h('div', { class: 'banner-words' },
    h('strong', {}, t('alsoRings', { door: doorName(line.call) })),
    label ? h('span', {}, t('ringsFor', { label })) : null);
  const busy = h('button', { type: 'button', class: 'small', onclick: () => void switchboard.reject(line, inside ? 'busy' : 'rejected') },
    t(inside ? 'busy' : 'reject'));
  const take = inside
    ? h('button', { type: 'button', class: 'small go', onclick: () => void switchboard.endAndAnswer(line) }, t('endAndAnswer'))
    : h('button', { type: 'button', class: 'small go', onclick: () => switchboard.show(line) }, t('showInstead'));
  return h('div', { class: 'banner' }, thumb, words, h('div', { class: 'banner-actions' }, busy, take));
}

/**
 * @param {Switchboard} switchboard
 * @param {Line} line
 * @param {string} label
 */
function pressBanner(switchboard, line, label) {
  const words = h('div', { class: 'banner-words' },
    h('strong', {}, label ? t('pressWaiting', { label }) : t('pressWaitingUnnamed')),
    h('span', {}, doorName(line.call)));
  const close = h('button', { type: 'button', class: 'small round-small', 'aria-label': t('close'), onclick: () => switchboard.dismissPress(line) },
    icon('close'));
  return h('div', { class: 'banner' }, h('div', { class: 'thumb' }, icon('bell')), words, close);
}
