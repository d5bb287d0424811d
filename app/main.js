// The residents' app: who this device is, which screen is shown, and what connects the parts. Everything else has its own file.

import { Client } from './client.js';
import { h, icon, say } from './elements.js';
import { allowMicrophone, microphonePermission } from './microphone.js';
import { PastCalls } from './past.js';
import { Push, keepForWorker } from './push.js';
import { Ring } from './ring.js';
import { callScreen } from './screens/call.js';
import { historyScreen } from './screens/history.js';
import { homeScreen } from './screens/home.js';
import { pairingScreen } from './screens/pairing.js';
import { settingsScreen } from './screens/settings.js';
import { Switchboard } from './switchboard.js';
import { doorName, setLanguage, t } from './texts.js';

/**
 * @import { ConnectionState, Me, OwnRules, Pairing } from './types.js'
 * @typedef {'sound' | 'microphone' | 'microphoneBlocked' | 'notification'} Wish
 * @typedef {{ element: HTMLElement, update: () => void, tick: () => void, leave?: () => void }} Screen
 * @typedef {{ language: string, ringVolume: number, awake: boolean }} Settings
 */

const HUB = location.origin;
const KEPT = 'doorward';
/** Wishes of the browser's that the resident put off, until this tab is closed. */
const POSTPONED = 'doorward-postponed';
const SESSION_ID = /^[0-9a-f]{32}$/;
/** A page on the wall that nobody touches. */
const RESTS_AFTER_MS = 60_000;

export class App {
  /** @type {ConnectionState} */
  connection = 'offline';
  /** @type {Me | null} */
  me = null;
  /** @type {PastCalls | null} */
  past = null;
  /** What the browser still has to allow. @type {Wish[]} */
  wishes = [];
  /** @type {Settings} */
  settings = { language: 'auto', ringVolume: 80, awake: false };
  ring = new Ring();
  /** @type {Switchboard | null} */
  switchboard = null;
  /** @type {Push | null} */
  push = null;

  /** @type {Client | null} */
  #client = null;
  /** @type {string | null} */
  #credential = null;
  /** Why this device is not paired any more. @type {import('./screens/pairing.js').Farewell | null} */
  #farewell = null;
  /** A call to be answered, before there is anything that could. @type {string | null} */
  #wanted = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;
  /** @type {Screen | null} */
  #screen = null;
  #screenName = '';
  /** Another tab of this browser takes the calls. */
  #elsewhereNow = false;
  #dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
  #state = h('span');
  #toastWord = h('span');
  #toast = h('div', { class: 'toast', role: 'alert', hidden: true });
  #spoken = h('p', { class: 'spoken', role: 'status', 'aria-live': 'assertive' });
  #body = h('main', { id: 'screen' });
  #bar = h('header', { class: 'bar' });
  #tabs = h('nav', { class: 'tabs' });

  start() {
    this.#load();
    setLanguage(this.settings.language);
    this.#setVolume();
    this.ring.onSoundChanged = () => void this.#refreshWishes();
    this.#toast.append(icon('warning'), this.#toastWord,
      h('button', { type: 'button', class: 'small round-small', 'aria-label': t('close'), onclick: () => this.switchboard?.forgive() }, icon('close')));
    document.body.replaceChildren(this.#bar, this.#body, this.#tabs, this.#toast, this.#spoken);
    this.#drawFrame();
    addEventListener('hashchange', () => this.#route());
    navigator.serviceWorker?.addEventListener('message', ({ data }) => this.#answer(data?.answer));
    for (const touch of ['pointerdown', 'keydown']) addEventListener(touch, () => this.#stir(), { passive: true });
    this.#stir();
    void keepForWorker(this.#credential);
    setInterval(() => this.#screen?.tick(), 500);
    if (this.#credential) void this.#onlyTab(() => this.#open());
    this.#route();
  }

  // ------------------------------------------------------------------------------------------------------- this device

  #load() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? '{}');
      this.#credential = typeof kept.credential === 'string' ? kept.credential : null;
      Object.assign(this.settings, kept.settings);
    } catch {
      // Not ours, or spoilt: as if it were the first time.
    }
  }

  #save() {
    localStorage.setItem(KEPT, JSON.stringify({ credential: this.#credential, settings: this.settings }));
    void keepForWorker(this.#credential);
  }

  /** @param {Pairing} pairing */
  #paired({ credential }) {
    this.#credential = credential;
    this.#farewell = null;
    this.#save();
    // The code must not stay in the address, where it would be shared or bookmarked.
    history.replaceState(null, '', location.pathname);
    void this.#onlyTab(() => this.#open());
    this.#route();
  }

  /** Forgets the credential here in any case: whoever gives a device away must be able to, also without the hub. */
  async unpair() {
    try {
      await this.#client?.forgetDevice();
      this.#farewell = { words: t('unpaired'), good: true };
    } catch {
      this.#farewell = { words: t('unpairedHereOnly'), good: false };
    }
    this.#close();
    this.#route();
    this.#speak(this.#farewell.words);
  }

  #close() {
    this.#client?.disconnect();
    this.#client = null;
    this.switchboard = null;
    this.#credential = null;
    this.me = null;
    this.past = null;
    this.push = null;
    this.#save();
    history.replaceState(null, '', location.pathname);
  }

  /**
   * Two tabs would both be this device. The later one waits, and may take over.
   * @param {() => void} then
   */
  async #onlyTab(then) {
    const { locks } = navigator;
    if (!locks) return then();
    const keep = () => new Promise(() => {});
    const held = await new Promise((resolve) => {
      void locks.request(KEPT, { ifAvailable: true }, (lock) => {
        resolve(Boolean(lock));
        return lock ? keep() : undefined;
      }).catch(() => this.#elsewhere(then));
    });
    if (held) then();
    else this.#elsewhere(then);
  }

  /** @param {() => void} then */
  #elsewhere(then) {
    this.#client?.disconnect();
    this.#client = null;
    this.switchboard = null;
    this.#elsewhereNow = true;
    const take = () => {
      void navigator.locks.request(KEPT, { steal: true }, () => {
        this.#elsewhereNow = false;
        then();
        this.#route();
        return new Promise(() => {});
      }).catch(() => this.#elsewhere(then));
    };
    this.#show('elsewhere', () => ({
      element: h('section', { class: 'empty tall' }, icon('door'), h('h1', { tabIndex: -1 }, t('elsewhereTitle')), h('p', { class: 'lead' }, t('elsewhereHint')),
        h('button', { type: 'button', class: 'primary', onclick: take }, t('elsewhereAction'))),
      update: () => {},
      tick: () => {},
    }));
  }

  #open() {
    if (!this.#credential || this.#client) return;
    const client = new Client({ hub: HUB, credential: this.#credential });
    this.#client = client;
    this.switchboard = new Switchboard(client, this.ring);
    this.switchboard.onChange = () => this.#changed();
    this.push = new Push(client);
    this.push.onChange = () => this.#changed();
    if (this.#wanted) this.switchboard.answerWhenRinging(this.#wanted);
    this.#wanted = null;
    const past = new PastCalls(client);
    past.onChange = () => this.#changed();
    this.past = past;
    this.switchboard.onHistory = () => void past.refresh();
    client.addCallListener('app', {
      onConnectionChanged: (state, refusal) => {
        this.connection = state;
        if (state === 'online') void this.#refresh();
        if (refusal?.code === 'ERR_UNAUTHORIZED') {
          this.#farewell = { words: t('pairedAway'), good: false };
          this.#close();
          this.#route();
        } else this.#changed();
      },
      onIncomingCallReceived: (call) => this.#speak(`${t('ringsAt')}: ${doorName(call)}`),
      onCallEnded: () => this.#speak(t('ended')),
    });
    client.connect();
    void this.#refreshWishes();
  }

  async #refresh() {
    try {
      this.me = (await this.#client?.me()) ?? null;
      this.#changed();
    } catch (error) {
      this.switchboard?.complain(error);
    }
    await this.past?.refresh();
    await this.push?.refresh();
  }

  /**
   * From a notification: this call.
   * @param {unknown} sessionId
   */
  #answer(sessionId) {
    if (typeof sessionId !== 'string' || !SESSION_ID.test(sessionId)) return;
    if (this.switchboard) this.switchboard.answerWhenRinging(sessionId);
    else this.#wanted = sessionId;
  }

  // ------------------------------------------------------------------------------------------ what the browser allows

  async #refreshWishes() {
    /** @type {Wish[]} */
    const wishes = [];
    if (!this.ring.audible) wishes.push('sound');
    const microphone = await microphonePermission();
    if (microphone === 'prompt') wishes.push('microphone');
    if (microphone === 'denied') wishes.push('microphoneBlocked');
    if (globalThis.Notification?.permission === 'default') wishes.push('notification');
    const postponed = JSON.parse(sessionStorage.getItem(POSTPONED) ?? '[]');
    // One at a time: a wall of wishes is granted by nobody.
    this.wishes = wishes.filter((wish) => !postponed.includes(wish)).slice(0, 1);
    this.#changed();
  }

  /** @returns {Promise<OwnRules>} */
  async rules() {
    return (await this.#client?.rules()) ?? { doNotDisturb: false };
  }

  /** @param {OwnRules} rules */
  async setRules(rules) {
    return this.#client?.setRules(rules);
  }

  /** @param {Wish} wish */
  async grant(wish) {
    if (wish === 'sound') this.ring.unlock();
    if (wish === 'microphone') await allowMicrophone();
    if (wish === 'notification') await this.push?.turnOn();
    await this.#refreshWishes();
  }

  /** @param {Wish} wish */
  postpone(wish) {
    const postponed = JSON.parse(sessionStorage.getItem(POSTPONED) ?? '[]');
    sessionStorage.setItem(POSTPONED, JSON.stringify([...postponed, wish]));
    void this.#refreshWishes();
  }

  /** @param {Partial<Settings>} chosen */
  choose(chosen) {
    Object.assign(this.settings, chosen);
    if (chosen.language) setLanguage(chosen.language);
    this.#save();
    this.#setVolume();
    // Refused, it is a tablet with a bar at its edge.
    if (chosen.awake) document.documentElement.requestFullscreen?.().catch(() => {});
    if (chosen.awake === false && document.fullscreenElement) void document.exitFullscreen();
    if (chosen.language) {
      this.#drawFrame();
      this.#screenName = '';
      this.#route();
    }
    this.#changed();
  }

  /** On the wall it rings as loud as it can. */
  #setVolume() {
    this.ring.volume = this.settings.awake ? 1 : this.settings.ringVolume / 100;
  }

  /** Somebody touches the screen, or it rings: on the wall the page rests in between, dark enough for a hall at night. */
  #stir() {
    document.body.removeAttribute('data-resting');
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      if (this.settings.awake && !this.switchboard?.shown) document.body.dataset['resting'] = 'yes';
    }, RESTS_AFTER_MS);
  }

  // ---------------------------------------------------------------------------------------------------------- screens

  #drawFrame() {
    this.#bar.replaceChildren(h('a', { class: 'brand', href: '#' }, icon('door'), t('appName')), h('p', { class: 'state', role: 'status' }, this.#dot, this.#state));
    this.#tabs.setAttribute('aria-label', t('home'));
    this.#tabs.replaceChildren(...[/** @type {const} */ ('home'), /** @type {const} */ ('history'), /** @type {const} */ ('settings')].map((name) =>
      h('a', { href: name === 'home' ? '#' : `#${name}`, 'data-tab': name }, icon(name), h('span', {}, t(name)))));
  }

  #changed() {
    const inCall = Boolean(this.switchboard?.shown);
    const isNew = inCall !== (this.#screenName === 'call');
    if (isNew) this.#route();
    if (inCall || isNew) this.#stir();
    const talking = this.switchboard?.shown ?? null;
    this.ring.keepAwake(this.settings.awake || Boolean(talking && !talking.over));
    document.body.dataset['connection'] = this.connection;
    say(this.#state, t(this.connection === 'offline' ? 'offlineShort' : this.connection));
    const complaint = this.switchboard?.complaint ?? null;
    this.#toast.hidden = !complaint;
    if (complaint) say(this.#toastWord, complaint);
    this.#screen?.update();
  }

  #route() {
    if (this.#elsewhereNow) return;
    const { hash } = location;
    const { switchboard } = this;
    const wanted = /^#answer=(\w+)$/.exec(hash)?.[1];
    if (wanted) {
      history.replaceState(null, '', location.pathname);
      this.#answer(wanted);
    }
    const code = /^#pair=([\w-]{1,64})$/.exec(hash)?.[1] ?? '';
    // Paired already: the code is for another device, and must not stay in the address.
    if (this.#credential && code) history.replaceState(null, '', location.pathname);
    if (!this.#credential) {
      /** @type {ReturnType<typeof pairingScreen> | undefined} */
      let pairing;
      this.#show('pairing', () => (pairing = pairingScreen({ hub: HUB, code, farewell: this.#farewell, paired: (it) => this.#paired(it) })));
      // From a link or a QR code there is nothing left to type.
      if (code && pairing) void pairing.pair();
    } else if (switchboard?.shown) this.#show('call', () => callScreen(switchboard));
    else if (hash === '#history') this.#show('history', () => historyScreen(this));
    else if (hash === '#settings') this.#show('settings', () => settingsScreen(this));
    else this.#show('home', () => homeScreen(this));
  }

  /**
   * @param {string} name
   * @param {() => Screen} make
   */
  #show(name, make) {
    if (name === this.#screenName) return;
    this.#screen?.leave?.();
    const first = this.#screenName === '';
    this.#screenName = name;
    document.body.dataset['screen'] = name;
    this.#screen = make();
    this.#body.replaceChildren(this.#screen.element);
    for (const tab of this.#tabs.querySelectorAll('a')) {
      if (tab.dataset['tab'] === name) tab.setAttribute('aria-current', 'page');
      else tab.removeAttribute('aria-current');
    }
    this.#screen.update();
    scrollTo(0, 0);
    // A reader of screens starts where the new screen starts; a first load needs no jump.
    if (!first) this.#body.querySelector('h1')?.focus({ preventScroll: true });
    this.#changed();
  }

  /** @param {string} words */
  #speak(words) {
    this.#spoken.textContent = words;
  }
}

new App().start();
if ('serviceWorker' in navigator) navigator.serviceWorker.register('sw.js').catch(() => {});
