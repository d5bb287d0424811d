// The administrator's page: asks for the credential, shows one screen at a time, says what was refused. What may be done is
// the hub's decision. The credential stays in this tab, and is gone with it.

import { h, say } from '../elements.js';
import { doorsScreen } from './doors.js';
import { auditScreen, callsScreen } from './logs.js';
import { Refused, Rest } from './rest.js';
import { residentsScreen } from './residents.js';

/** @import { Directory } from './types.js' */

const KEY = 'doorward-administrator';
/** How often the doors are looked at while they are on the screen. */
const LOOK_MS = 5000;

const SCREENS = { doors: doorsScreen, residents: residentsScreen, calls: callsScreen, audit: auditScreen };
/** @typedef {keyof typeof SCREENS} ScreenName */
/** @type {[ScreenName, string][]} */
const WORDS = [['doors', 'Doors'], ['residents', 'Residents'], ['calls', 'Calls'], ['audit', 'Audit']];

export class Admin {
  rest = new Rest(sessionStorage.getItem(KEY) ?? '');
  /** What is looked for among residents, devices and groups. */
  find = '';
  /** @type {ScreenName} */
  #screen = 'doors';
  #main = h('main', {});
  #nav = h('nav', { 'aria-label': 'Screens' });
  #said = h('p', { class: 'said', role: 'status' });
  #drawn = '';

  start() {
    document.body.append(h('header', { class: 'top' }, h('strong', {}, 'Doorward'), this.#nav), this.#said, this.#main);
    setInterval(() => void this.#look(), LOOK_MS);
    if (sessionStorage.getItem(KEY)) void this.show('doors');
    else this.#logIn();
  }

  /** @param {ScreenName} screen */
  async show(screen) {
    this.#screen = screen;
    this.#drawn = '';
    await this.#draw();
  }

  /**
   * Changes something, and shows what is now.
   * @param {() => Promise<unknown>} change
   */
  async does(change) {
    await this.tries(change);
    this.#drawn = '';
    await this.#draw();
  }

  /**
   * Asks the hub; a refusal is said on the page.
   * @template T
   * @param {() => Promise<T>} question
   * @returns {Promise<T | null>}
   */
  async tries(question) {
    try {
      const answer = await question();
      say(this.#said, '');
      return answer;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 401) this.#logIn();
      say(this.#said, error.message);
      return null;
    }
  }

  /** The doors' state changes by itself; a form that somebody fills in is left alone. */
  async #look() {
    const typing = this.#main.contains(document.activeElement) && document.activeElement?.matches('input, select');
    if (this.#screen !== 'doors' || document.hidden || typing || !sessionStorage.getItem(KEY)) return;
    await this.#draw();
  }

  async #draw() {
    const screen = this.#screen;
    /** @type {Directory | null} */
    const directory = await this.tries(() => this.rest.get('directory'));
    if (!directory || screen !== this.#screen) return;
    const picture = JSON.stringify([screen, directory]);
    if (picture === this.#drawn) return;
    this.#drawn = picture;
    const tabs = WORDS.map(([name, word]) =>
      h('button', { type: 'button', class: 'tab', 'aria-current': name === screen ? 'page' : 'false', onclick: () => void this.show(name) }, word));
    const out = h('button', { type: 'button', class: 'tab', onclick: () => this.#logIn() }, 'Log out');
    this.#nav.replaceChildren(...tabs, out);
    this.#main.replaceChildren(SCREENS[screen](this, directory));
  }

  #logIn() {
    sessionStorage.removeItem(KEY);
    this.rest = new Rest('');
    this.#drawn = '';
    const credential = h('input', { type: 'password', name: 'credential', required: true, autocomplete: 'off' });
    /** @param {Event} event */
    const onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, credential.value.trim());
      this.rest = new Rest(credential.value.trim());
      void this.show('doors');
    };
    this.#nav.replaceChildren();
    this.#main.replaceChildren(h('form', { class: 'login', onsubmit }, h('h1', {}, 'Administration'),
      h('label', {}, 'Administrator’s credential', credential), h('button', { type: 'submit', class: 'act go' }, 'Log in'),
      h('p', { class: 'hint' }, 'Made on the hub by ', h('code', {}, 'doorward hub administrator add'), '. It stays in this tab.')));
  }
}

new Admin().start();
