// The event socket: hello and welcome, heartbeat, coming back after a loss, and each event once.
// Never knows what an event means.

import { Timer } from './timer.js';

/** @import { CallEvent, ClientFrame, ConnectionState, HubFrame, Refusal, Welcome } from './types.js' */

export const PROTOCOL_VERSION = 1;

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
const WELCOME_MS = 8_000;
const PROBE_MS = 1_500;
const REMEMBERED_CALLS = 64;

/**
 * @typedef {object} Ears
 * @property {(welcome: Welcome) => void} welcome
 * @property {(event: CallEvent) => void} event a new one; it is acknowledged after this returns
 * @property {(frame: Exclude<HubFrame, { type: 'event' | 'nonceAsked' | 'pong' | 'refused' | 'welcome' }>) => void} session
 * @property {(state: ConnectionState, refusal?: Refusal) => void} state
 */

export class Connection {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ConnectionState} */
  #state = 'offline';
  #wanted = false;
  #losses = 0;
  #heartbeat = 15_000;
  #heard = 0;
  /** One timer: the socket waits for one thing at a time. */
  #timer = new Timer();
  /** The last entry seen of each call, in the order of being heard of. @type {Map<string, number>} */
  #seen = new Map();
  #address;
  #credential;
  #ears;

  /**
   * @param {string} hub address of the hub, `http:` or `https:`
   * @param {string} credential
   * @param {Ears} ears
   */
  constructor(hub, credential, ears) {
    this.#address = `${hub.replace(/^http/, 'ws')}/v1/events`;
    this.#credential = credential;
    this.#ears = ears;
  }

  get state() {
    return this.#state;
  }

  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    addEventListener('online', this.#hurry);
    addEventListener('pageshow', this.#hurry);
    addEventListener('offline', this.#probe);
    document.addEventListener('visibilitychange', this.#hurry);
    this.#dial();
  }

  close() {
    this.#wanted = false;
    removeEventListener('online', this.#hurry);
    removeEventListener('pageshow', this.#hurry);
    removeEventListener('offline', this.#probe);
    document.removeEventListener('visibilitychange', this.#hurry);
    this.#drop();
    this.#become('offline');
  }

  /**
   * @param {ClientFrame} frame
   * @returns {boolean} whether it went out; what must not be lost is sent again after the next welcome
   */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Media broke: whatever took it away may have taken the socket. */
  doubt() {
    this.#probe();
  }

  #dial() {
    this.#drop();
    this.#become('connecting');
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    this.#timer.set(WELCOME_MS, () => this.#lost());
    socket.onopen = () => {
      const seen = [...this.#seen].map(([sessionId, entry]) => ({ sessionId, entry }));
      this.send({ type: 'hello', protocol: PROTOCOL_VERSION, credential: this.#credential, seen });
    };
    socket.onmessage = (message) => this.#hear(String(message.data));
    socket.onclose = () => this.#lost();
  }

  /** @param {string} text */
  #hear(text) {
    this.#heard = performance.now();
    /** @type {HubFrame} */
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      console.warn('a frame of the hub is not JSON and was passed over');
      return;
    }
    switch (frame.type) {
      case 'welcome':
        this.#losses = 0;
        this.#heartbeat = Math.max(frame.heartbeat, 1_000);
        this.#beat();
        // Before the calls are told: who hears of them may want to send.
        this.#become('online');
        this.#ears.welcome(frame);
        return;
      case 'event':
        if (this.#isNew(frame)) this.#ears.event(frame);
        this.send({ type: 'acknowledge', sessionId: frame.sessionId, entry: frame.entry });
        return;
      case 'refused':
        this.#refused(frame.error);
        return;
      case 'pong':
      case 'nonceAsked':
        return;
      case 'doorNotice':
      case 'nonce':
      case 'nonceRefused':
      case 'sessionEnded':
      case 'sessionRefused':
      case 'sessionStarted':
      case 'signal':
        this.#ears.session(frame);
        return;
      default:
        console.warn('a frame of unknown type was passed over');
    }
  }

  /**
   * @param {CallEvent} event
   * @returns {boolean}
   */
  #isNew({ sessionId, entry }) {
    const last = this.#seen.get(sessionId) ?? 0;
    if (entry <= last) return false;
    this.#seen.set(sessionId, entry);
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= REMEMBERED_CALLS) break;
      this.#seen.delete(oldest);
    }
    return true;
  }

  /** @param {Refusal} refusal */
  #refused(refusal) {
    if (refusal.code !== 'ERR_UNAUTHORIZED' && refusal.code !== 'ERR_FORBIDDEN' && refusal.code !== 'ERR_BAD_REQUEST') {
      this.#lost();
      return;
    }
    // Asking again would not help: the page has to be paired anew, or loaded anew.
    this.#wanted = false;
    this.#drop();
    this.#become('refused', refusal);
  }

  #beat() {
    this.#timer.set(this.#heartbeat, () => {
      if (performance.now() - this.#heard > this.#heartbeat * 2) return this.#lost();
      this.send({ type: 'ping' });
      this.#beat();
    });
  }

  /** The network says that it changed: a socket that only seems to live is found out at once. */
  #probe = () => {
    if (this.#state !== 'online' || document.visibilityState === 'hidden') return;
    const asked = performance.now();
    this.send({ type: 'ping' });
    this.#timer.set(PROBE_MS, () => (this.#heard < asked ? this.#lost() : this.#beat()));
  };

  #hurry = () => {
    if (!this.#wanted || document.visibilityState === 'hidden') return;
    if (this.#state === 'online') this.#probe();
    else if (this.#state === 'offline') this.#dial();
  };

  #lost() {
    this.#drop();
    if (!this.#wanted) return;
    this.#become('offline');
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#losses, LONGEST_PAUSE_MS);
    this.#losses += 1;
    this.#timer.set(pause * (0.5 + Math.random() / 2), () => this.#dial());
  }

  #drop() {
    this.#timer.clear();
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /**
   * @param {ConnectionState} state
   * @param {Refusal} [refusal]
   */
  #become(state, refusal) {
    if (state === this.#state) return;
    this.#state = state;
    this.#ears.state(state, refusal);
  }
}
