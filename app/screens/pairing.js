// The first screen: a code makes this device one of the house's.

import { pairDevice } from '../client.js';
import { h, icon, say } from '../elements.js';
import { errorText, t } from '../texts.js';

/**
 * @import { Pairing } from '../types.js'
 * @typedef {{ words: string, good: boolean }} Farewell
 */

/**
 * @param {{ hub: string, code: string, farewell: Farewell | null, paired: (pairing: Pairing) => void }} options
 */
export function pairingScreen({ hub, code, farewell, paired }) {
  const field = h('input', {
    id: 'code', class: 'code', type: 'text', value: code, autocomplete: 'one-time-code', autocapitalize: 'characters',
    spellcheck: false, required: true, 'aria-describedby': 'pair-error',
  });
  const name = h('input', { id: 'device', type: 'text', value: deviceName(), maxLength: 64, autocomplete: 'off' });
  const error = h('p', { id: 'pair-error', class: 'form-error', role: 'alert' }, farewell && !farewell.good ? farewell.words : '');
  const submit = h('button', { type: 'submit', class: 'primary' }, t('pairAction'));

  async function pair() {
    const entered = field.value.trim();
    if (!entered) {
      say(error, t('pairCodeMissing'));
      field.focus();
      return;
    }
    submit.disabled = true;
    say(submit, t('pairing'));
    say(error, '');
    try {
      paired(await pairDevice(hub, entered, name.value.trim() || deviceName()));
    } catch (refusal) {
      say(error, errorText(refusal));
      field.focus();
      field.select();
    } finally {
      submit.disabled = false;
      say(submit, t('pairAction'));
    }
  }

  const form = h('form', { class: 'pair-form', onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), void pair()) },
    h('label', { for: 'code' }, t('pairCode')), field,
    h('label', { for: 'device' }, t('pairName')), name, h('p', { class: 'hint' }, t('pairNameHint')),
    error, submit);
  form.noValidate = true;
  const element = h('section', { class: 'pairing' },
    h('div', { class: 'pair-mark' }, icon('door')),
    h('h1', { tabIndex: -1 }, t('pairTitle')),
    farewell?.good ? h('p', { class: 'lead done' }, icon('check'), farewell.words) : null,
    h('p', { class: 'lead' }, t('pairIntro')), form);
  return { element, update: () => {}, tick: () => {}, pair };
}

function deviceName() {
  if (!matchMedia('(pointer: coarse)').matches) return t('deviceNameComputer');
  return t(Math.min(screen.width, screen.height) >= 600 ? 'deviceNameTablet' : 'deviceNamePhone');
}
