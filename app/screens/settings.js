// What a resident may choose for this device.

import { h, say } from '../elements.js';
import { t } from '../texts.js';
import { rulesCard } from './rules.js';

/** @import { App } from '../main.js' */

const TEST_MS = 6_000;

const PUSH_HINTS = /** @type {const} */ ({
  unknown: 'pushUnknown', unsupported: 'pushUnsupported', install: 'pushInstall', hubWithout: 'pushHubWithout', blocked: 'pushBlocked',
  off: 'pushHint', on: 'pushOnHint', failed: 'pushFailed',
});

/** @param {App} app */
export function settingsScreen(app) {
  const { settings } = app;
  const language = h('select', { id: 'language', onchange: () => app.choose({ language: language.value }) },
    ...[['auto', t('languageAuto')], ['en', t('languageEnglish')], ['de', t('languageGerman')]].map(([value, word]) =>
      h('option', { value, selected: value === settings.language }, word ?? '')));

  const volume = h('input', { id: 'ring-volume', type: 'range', min: '10', max: '100', value: String(settings.ringVolume) });
  volume.addEventListener('change', () => app.choose({ ringVolume: Number(volume.value) }));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let testing;
  const test = h('button', { type: 'button', class: 'small', onclick: () => (testing === undefined ? play() : stop()) }, t('soundTestAction'));
  const stop = () => {
    clearTimeout(testing);
    testing = undefined;
    test.textContent = t('soundTestAction');
    if (!app.switchboard?.shown) app.ring.sound(null);
  };
  const play = () => {
    app.ring.unlock();
    app.ring.sound('chime');
    test.textContent = t('soundTestStop');
    testing = setTimeout(stop, TEST_MS);
  };

  const awake = h('input', { id: 'awake', type: 'checkbox', class: 'switch', checked: settings.awake, onchange: () => app.choose({ awake: awake.checked }) });

  const awakeRefused = h('p', { class: 'hint warn', hidden: true }, t('awakeRefused'));
  const pushHint = h('p', { class: 'hint' });
  const pushSwitch = h('input', { id: 'push', type: 'checkbox', class: 'switch', onchange: () => void (pushSwitch.checked ? app.push?.turnOn() : app.push?.turnOff()) });

  const yes = h('button', { type: 'button', class: 'small stop', onclick: () => unpair() }, t('unpairYes'));
  const unpair = () => {
    yes.disabled = true;
    yes.textContent = t('unpairing');
    void app.unpair();
  };
  const sure = h('div', { class: 'sure', role: 'alert', hidden: true }, h('p', {}, t('unpairSure')),
    h('div', { class: 'wish-actions' },
      h('button', { type: 'button', class: 'small', onclick: () => (sure.hidden = true) }, t('cancel')),
      yes));
  const who = h('p', { class: 'hint' });

  const element = h('section', { class: 'settings' }, h('h1', { tabIndex: -1 }, t('settings')),
    h('div', { class: 'card form-card' },
      h('div', { class: 'setting' }, h('label', { for: 'language' }, t('language')), language),
      h('div', { class: 'setting' }, h('div', {}, h('span', {}, t('appearance')), h('p', { class: 'hint' }, t('appearanceHint'))))),
    h('div', { class: 'card form-card' },
      h('div', { class: 'setting' }, h('span', {}, t('soundTest')), test),
      h('div', { class: 'setting' }, h('label', { for: 'ring-volume' }, t('ringVolume')), volume),
      h('div', { class: 'setting' }, h('div', {}, h('label', { for: 'awake' }, t('awake')), h('p', { class: 'hint' }, t('awakeHint')), awakeRefused), awake)),
    h('div', { class: 'card form-card' },
      h('div', { class: 'setting' }, h('div', {}, h('label', { for: 'push' }, t('push')), pushHint), pushSwitch)),
    rulesCard(app),
    h('div', { class: 'card form-card' },
      h('div', { class: 'setting' }, h('div', {}, h('span', {}, t('thisDevice')), who)),
      h('div', { class: 'setting' }, h('div', {}, h('span', {}, t('unpair')), h('p', { class: 'hint' }, t('unpairHint'))),
        h('button', { type: 'button', class: 'small stop', onclick: () => (sure.hidden = false) }, t('unpairYes'))),
      sure));

  return {
    element,
    update: () => {
      who.textContent = app.me ? t('signedInAs', { name: app.me.name }) : '';
      const view = app.push?.view ?? 'unknown';
      pushSwitch.checked = view === 'on';
      pushSwitch.disabled = !(view === 'on' || view === 'off' || view === 'failed');
      say(pushHint, t(PUSH_HINTS[view]));
      volume.disabled = settings.awake;
      awakeRefused.hidden = !(settings.awake && app.ring.awakeRefused);
    },
    tick: () => {},
    leave: stop,
  };
}
