// The screen between calls: whether all is well, what the browser still has to allow, the doors, the latest calls.

import { h, icon, say } from '../elements.js';
import { t } from '../texts.js';
import { callRow } from './history.js';

/** @import { App } from '../main.js' */

const RECENT = 3;

/** @param {App} app */
export function homeScreen(app) {
  const words = h('h1', { tabIndex: -1 });
  const hint = h('p', { class: 'lead' });
  const hero = h('div', { class: 'hero' }, h('div', { class: 'porch', 'aria-hidden': 'true' }, h('i', { class: 'lamp' }), icon('door')), words, hint);
  const wishes = h('div', { class: 'wishes' });
  const doors = h('div', { class: 'cards' });
  const recent = h('div', { class: 'list' });
  const recentPart = h('section', {},
    h('div', { class: 'section-head' }, h('h2', {}, t('recent')), h('a', { href: '#history' }, t('allCalls'))), recent);
  const element = h('section', { class: 'home' }, hero, wishes, h('section', {}, h('h2', {}, t('doors')), doors), recentPart);
  let drawn = '';

  function update() {
    const online = app.connection === 'online';
    say(words, t(online || app.connection === 'connecting' ? 'quiet' : 'offline'));
    say(hint, t(online || app.connection === 'connecting' ? 'quietHint' : 'offlineHint'));
    hero.classList.toggle('dimmed', app.connection === 'offline');
    const key = JSON.stringify([app.wishes, app.me?.doors, app.past?.calls?.slice(0, RECENT), app.switchboard?.placing, online]);
    if (key === drawn) return;
    drawn = key;
    wishes.replaceChildren(...app.wishes.map((wish) => wishCard(app, wish)));
    doors.replaceChildren(...doorCards(app, online));
    recentPart.hidden = !app.past?.calls?.length;
    recent.replaceChildren(...(app.past?.calls ?? []).slice(0, RECENT).map((call) => callRow(call, app.me?.uid ?? '', app.past)));
  }

  return { element, update, tick: () => {} };
}

/**
 * @param {App} app
 * @param {boolean} online
 */
function doorCards(app, online) {
  if (!app.me) return [h('div', { class: 'card ghost', 'aria-hidden': 'true' })];
  if (!app.me.doors.length) return [h('p', { class: 'hint' }, t('noDoors'))];
  return app.me.doors.map((door) => {
    const placing = app.switchboard?.placing === door.uid;
    const reachable = door.online !== false;
    const call = h('button', {
      type: 'button', class: 'call-door', disabled: !online || !reachable || Boolean(app.switchboard?.placing),
      'aria-label': t('callDoorLabel', { door: door.name }), onclick: () => void app.switchboard?.callDoor(door),
    }, icon('answer'), h('span', {}, t(placing ? 'calling' : 'callDoor')));
    const state = online ? h('span', { class: reachable ? 'door-state' : 'door-state away' }, t(reachable ? 'doorReady' : 'doorOffline')) : null;
    return h('article', { class: 'card door-card' }, h('span', { class: 'door-mark' }, icon('door')),
      h('div', { class: 'card-words' }, h('strong', {}, door.name), state), call);
  });
}

/**
 * @param {App} app
 * @param {import('../main.js').Wish} wish
 */
function wishCard(app, wish) {
  const parts = {
    sound: { mark: icon('bell'), title: t('soundTitle'), hint: t('soundHint'), action: t('soundAction') },
    microphone: { mark: icon('microphone'), title: t('microphoneTitle'), hint: t('microphoneHint'), action: t('microphoneAction') },
    microphoneBlocked: { mark: icon('microphoneOff'), title: t('microphoneTitle'), hint: t('microphoneBlockedHint'), action: null },
    notification: { mark: icon('bell'), title: t('notificationTitle'), hint: t('notificationHint'), action: t('notificationAction') },
  }[wish];
  return h('article', { class: 'card wish' }, h('span', { class: 'wish-mark' }, parts.mark),
    h('div', { class: 'card-words' }, h('strong', {}, parts.title), h('span', {}, parts.hint),
      h('div', { class: 'wish-actions' },
        parts.action ? h('button', { type: 'button', class: 'small go', onclick: () => void app.grant(wish) }, parts.action) : null,
        h('button', { type: 'button', class: 'small', onclick: () => app.postpone(wish) }, t('later')))));
}
