// Opening the door, in three steps: a nonce from the door, the verb that shows it, and what the door then says. A wish is for
// now: nothing here is tried again later. Never decides who may open.

import { HubError } from './verbs.js';

/** @import { Call, CallListener, EventKind, HubFrame, Opener, OpeningRefusal } from './types.js' */

/** The door answers within its nonce's life, or is away. */
const NONCE_MS = 5_000;
const VERDICT_MS = 6_000;

/** The door does not open, or said nothing. */
export class DoorError extends Error {
  /** @param {OpeningRefusal | 'noAnswer'} reason */
  constructor(reason) {
    super(`the door does not open: ${reason}`);
    this.name = 'DoorError';
    this.reason = reason;
  }
}

/**
 * @typedef {{ opener: Opener, releasedFor: number }} Opened
 * @typedef {object} Mouth
 * @property {(sessionId: string) => boolean} askNonce whether the wish went out
 * @property {(sessionId: string, body: { key: string, nonce: string }, patience: number) => Promise<unknown>} open the verb
 * @property {<Name extends keyof CallListener>(name: Name, ...args: Parameters<NonNullable<CallListener[Name]>>) => void} tell the page
 */

/**
 * @template T
 * @typedef {{ resolve: (value: T) => void, reject: (error: Error) => void }} Waiting
 */

export class Openings {
  /** By session. @type {Map<string, Waiting<string>>} */
  #nonces = new Map();
  /** By the key of the verb. @type {Map<string, Waiting<Opened>>} */
  #verdicts = new Map();
  /** One at a time for each call: a second tap is the same wish. @type {Map<string, Promise<Opened>>} */
  #running = new Map();
  #mouth;

  /** @param {Mouth} mouth */
  constructor(mouth) {
    this.#mouth = mouth;
  }

  /**
   * @param {string} sessionId
   * @param {string} key
   * @returns {Promise<Opened>}
   */
  open(sessionId, key) {
    const running = this.#running.get(sessionId) ?? this.#open(sessionId, key).finally(() => this.#running.delete(sessionId));
    this.#running.set(sessionId, running);
    return running;
  }

  /**
   * @param {string} sessionId
   * @param {string} key
   */
  async #open(sessionId, key) {
    const nonce = await wait(this.#nonces, sessionId, NONCE_MS, () => {
      if (!this.#mouth.askNonce(sessionId)) throw new HubError({ code: 'ERR_NO_CONNECTION', message: 'the wish to open did not go out' });
    });
    return wait(this.#verdicts, key, VERDICT_MS, () => this.#mouth.open(sessionId, { key, nonce }, NONCE_MS));
  }

  /** @param {Extract<HubFrame, { type: 'doorNotice' | 'nonce' | 'nonceRefused' }>} frame */
  frame(frame) {
    if (frame.type === 'doorNotice') return this.#mouth.tell('onDoorNotice', frame);
    const waiting = this.#nonces.get(frame.sessionId);
    if (frame.type === 'nonceRefused') waiting?.reject(new HubError(frame.error));
    else if ('issued' in frame.answer) waiting?.resolve(frame.answer.issued.nonce);
    else waiting?.reject(new DoorError(frame.answer.refused.reason));
  }

  /**
   * @param {Call} call
   * @param {Extract<EventKind, { name: 'doorContact' | 'doorOpened' | 'openingRefused' }>} event
   */
  event(call, event) {
    switch (event.name) {
      case 'doorContact':
        return this.#mouth.tell('onDoorContact', call, event.state);
      case 'doorOpened':
        if (event.opener.authority === 'participant') this.#verdicts.get(event.opener.opening)?.resolve(event);
        return this.#mouth.tell('onDoorOpened', call, event.opener, event.releasedFor);
      case 'openingRefused':
        this.#verdicts.get(event.opening)?.reject(new DoorError(event.reason));
    }
  }
}

/**
 * Asks, and waits for what then comes in by another way.
 * @template T
 * @param {Map<string, Waiting<T>>} waiting
 * @param {string} name
 * @param {number} patience
 * @param {() => unknown} ask
 * @returns {Promise<T>}
 */
async function wait(waiting, name, patience, ask) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  try {
    return await new Promise((resolve, reject) => {
      waiting.set(name, { resolve, reject });
      timer = setTimeout(() => reject(new DoorError('noAnswer')), patience);
      void (async () => ask())().catch(reject);
    });
  } finally {
    clearTimeout(timer);
    waiting.delete(name);
  }
}
