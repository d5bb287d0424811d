// The list of calls.

import { h, icon } from '../elements.js';
import { dayText, doorName, durationText, outcomeText, t, timeText } from '../texts.js';

/**
 * @import { App } from '../main.js'
 * @import { Call } from '../types.js'
 */

/** @param {App} app */
export function historyScreen(app) {
  const list = h('div', { class: 'days' });
  const back = h('button', { type: 'button', class: 'small', onclick: () => void app.past?.turnBack() }, t('earlierCalls'));
  const element = h('section', { class: 'history' }, h('h1', { tabIndex: -1 }, t('history')), list, back);
  let drawn = '';

  function update() {
    const { calls = null, failed = false, more = false } = app.past ?? {};
    const key = JSON.stringify([calls, failed, more, app.me?.uid]);
    if (key === drawn) return;
    drawn = key;
    back.hidden = !more;
    if (!calls && failed) {
      const again = h('button', { type: 'button', class: 'small go', onclick: () => void app.past?.refresh() }, t('again'));
      list.replaceChildren(h('div', { class: 'empty' }, icon('warning'), h('p', {}, t('historyFailed')), again));
    } else if (calls && !calls.length) {
      list.replaceChildren(h('div', { class: 'empty' }, icon('history'), h('p', {}, t('noCalls')), h('p', { class: 'hint' }, t('noCallsHint'))));
    } else list.replaceChildren(...days(calls ?? [], app.me?.uid ?? '', app.past));
  }

  return { element, update, tick: () => {} };
}

/**
 * @param {Call[]} calls
 * @param {string} uid
 * @param {App['past']} past
 */
function days(calls, uid, past) {
  /** @type {Map<string, Call[]>} */
  const byDay = new Map();
  for (const call of calls) {
    const day = dayText(call.initiatedAt);
    byDay.set(day, [...(byDay.get(day) ?? []), call]);
  }
  return [...byDay].map(([day, some]) => h('section', {}, h('h2', {}, day), h('ul', { class: 'list' }, ...some.map((call) => h('li', {}, callRow(call, uid, past))))));
}

/**
 * @param {Call} call
 * @param {string} uid the reader
 * @param {App['past']} past where its still comes from
 */
export function callRow(call, uid, past) {
  const mine = call.initiator.uid === uid;
  const missed = !mine && (call.status === 'unanswered' || call.status === 'cancelled');
  const label = call.metadata['buttonLabel'];
  const outcome = [outcomeText(call, uid), call.duration ? durationText(call.duration) : ''].filter(Boolean).join(' · ');
  return h('article', { class: missed ? 'row missed' : 'row' },
    h('span', { class: 'row-mark' }, icon(missed ? 'missed' : mine ? 'outgoing' : 'incoming')),
    h('div', { class: 'card-words' }, h('strong', {}, label ? `${doorName(call)} · ${label}` : doorName(call)), h('span', {}, outcome)),
    call.stillAt ? stillOf(call, past) : null,
    h('time', { dateTime: new Date(call.initiatedAt).toISOString() }, timeText(call.initiatedAt)));
}

/**
 * The picture of a call, once it is there.
 * @param {Call} call
 * @param {App['past']} past
 */
function stillOf(call, past) {
  const image = h('img', { class: 'row-still', alt: t('pictureOf', { door: doorName(call) }), hidden: true });
  void past?.still(call.sessionId).then((url) => {
    image.src = url;
    image.hidden = !url;
  });
  return image;
}
