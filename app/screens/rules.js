// When it does not ring at this resident's, on any of their devices: a card of the settings.

import { h, say } from '../elements.js';
import { t } from '../texts.js';

/**
 * @import { App } from '../main.js'
 * @import { OwnRules } from '../types.js'
 */

const HOUR_MS = 3_600_000;
/** Until then, who chose "until the morning". */
const MORNING = 7;

/** @param {App} app */
export function rulesCard(app) {
  const disturb = h('select', { id: 'disturb', disabled: true, onchange: () => void keep() });
  const quiet = h('input', { id: 'quiet', type: 'checkbox', class: 'switch', disabled: true, onchange: () => void keep() });
  const from = h('input', { id: 'quiet-from', type: 'time', value: '22:00', 'aria-label': t('quietFrom'), onchange: () => void keep() });
  const to = h('input', { id: 'quiet-to', type: 'time', value: '07:00', 'aria-label': t('quietTo'), onchange: () => void keep() });
  const hours = h('div', { class: 'setting', hidden: true }, h('span', {}, t('quietHours')), h('div', { class: 'wish-actions' }, from, to));
  const state = h('p', { class: 'hint' });
  /** @type {OwnRules | null} */
  let rules = null;

  function draw() {
    if (!rules) return;
    const { doNotDisturb, doNotDisturbUntil: until, quietHours } = rules;
    const on = doNotDisturb && (until === undefined || until > Date.now());
    const choices = [['off', t('disturbOff')], ['hour', t('disturbHour')], ['morning', t('disturbMorning')], ['on', t('disturbOn')]];
    if (on && until !== undefined) choices.unshift(['kept', t('disturbUntil', { time: new Date(until).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) })]);
    const chosen = on ? (until === undefined ? 'on' : 'kept') : 'off';
    disturb.replaceChildren(...choices.map(([value, word]) => h('option', { value, selected: value === chosen }, word ?? '')));
    quiet.checked = Boolean(quietHours);
    if (quietHours) [from.value, to.value] = [quietHours.from, quietHours.to];
    hours.hidden = !quietHours;
    disturb.disabled = quiet.disabled = false;
  }

  /** @returns {OwnRules} */
  function wanted() {
    const quietHours = quiet.checked && from.value && to.value && from.value !== to.value ? { quietHours: { from: from.value, to: to.value } } : {};
    const until = disturb.value === 'kept' ? rules?.doNotDisturbUntil : disturb.value === 'hour' ? Date.now() + HOUR_MS : disturb.value === 'morning' ? morning() : undefined;
    return { doNotDisturb: disturb.value !== 'off', ...(until === undefined ? {} : { doNotDisturbUntil: until }), ...quietHours };
  }

  async function keep() {
    try {
      rules = (await app.setRules(wanted())) ?? rules;
      say(state, t('rulesKept'));
    } catch {
      say(state, t('rulesFailed'));
    }
    draw();
  }

  void app.rules().then((found) => {
    rules = found;
    draw();
  }).catch(() => say(state, t('rulesFailed')));

  return h('div', { class: 'card form-card' },
    h('div', { class: 'setting' }, h('div', {}, h('label', { for: 'disturb' }, t('disturb')), h('p', { class: 'hint' }, t('disturbHint'))), disturb),
    h('div', { class: 'setting' }, h('div', {}, h('label', { for: 'quiet' }, t('ownQuiet')), h('p', { class: 'hint' }, t('ownQuietHint'))), quiet),
    hours, state);
}

/** The next one, by this device's clock. */
function morning() {
  const next = new Date();
  if (next.getHours() >= MORNING) next.setDate(next.getDate() + 1);
  next.setHours(MORNING, 0, 0, 0);
  return next.getTime();
}
