// One call as this page knows it: where it stands here, its elements and its media session.
// Never calls a verb that decides; the switchboard does.

import { HubError } from './client.js';
import { h } from './elements.js';

/**
 * @import { Call, Leg } from './types.js'
 * @import { Client } from './client.js'
 * @import { MediaSession, Quality } from './media.js'
 */

/**
 * How the call stands on this page. `calling` is a call from here to a door, `answering` is between the tap and its answer.
 * @typedef {{ at: 'ringing', waiting: boolean } | { at: 'answering' } | { at: 'calling', delivered: boolean } | { at: 'talking' }
 *   | { at: 'over', how: 'answeredElsewhere' | 'missed' | 'withdrawn' | 'notAnswered' | 'ended' }} Phase
 */

/**
 * The lock and the leaf of the door, as this page knows them. `notOpened`: it was released, and nobody came in.
 * @typedef {{ at: 'shut' } | { at: 'asking' } | { at: 'released', by: string } | { at: 'open' } | { at: 'notOpened' } | { at: 'refused', why: string }} DoorView
 */

const QUALITY_MS = 2_000;

export class Line {
  call;
  /** @type {Phase} */
  phase;
  /** Heard first, by this page's clock. */
  since = performance.now();
  /** When the conversation began, by this page's clock. */
  answered = 0;
  /** Presses on other buttons meanwhile: their label, or nothing. @type {string | null} */
  pressWaiting = null;
  /** Who came or went last, for a notice. @type {{ who: Leg, joined: boolean } | null} */
  company = null;
  /** What is known of the door's lock and leaf. @type {DoorView} */
  door = { at: 'shut' };
  /** @type {Quality} */
  quality = 'unknown';
  /** There are as many viewers as the door serves. */
  full = false;
  /** This resident sees the door once they answered. */
  hidden = false;
  /** The first frame was shown. */
  seen = false;
  /** A still picture is there, for as long as nothing moves. */
  still = false;
  video = h('video', { class: 'picture', muted: true, playsInline: true, disablePictureInPicture: true });
  image = h('img', { class: 'picture', alt: '', hidden: true });
  audio = h('audio', { class: 'sound' });
  /** @type {MediaSession | null} */
  media = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  expiry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #fading;
  #opening = false;
  /** Of the still that was asked for last. @type {number | undefined} */
  #stillAt;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #measuring;
  #client;
  #changed;

  /**
   * @param {Client} client
   * @param {Call} call
   * @param {Phase} phase
   * @param {() => void} changed
   */
  constructor(client, call, phase, changed) {
    this.#client = client;
    this.call = call;
    this.phase = phase;
    this.#changed = changed;
    this.video.addEventListener('resize', () => {
      const { videoWidth, videoHeight } = this.video;
      if (videoHeight) this.video.style.setProperty('--ratio', String(videoWidth / videoHeight));
    });
    this.video.addEventListener('loadeddata', () => {
      this.seen = true;
      this.image.hidden = true;
      changed();
    });
  }

  get over() {
    return this.phase.at === 'over';
  }

  /** Picture at once; sound follows when this device is a participant. */
  async openMedia() {
    if (this.#opening || this.over || (this.media && this.media.state !== 'refused' && this.media.state !== 'ended')) return;
    this.#opening = true;
    const { sessionId } = this.call;
    try {
      const token = await this.#client.generateToken(sessionId);
      if (this.over) return;
      this.full = this.hidden = false;
      this.media = this.#client.startSession(sessionId, token, { video: this.video, audio: this.audio });
      this.media.onChange = this.#changed;
    } catch (error) {
      // The call goes on without a picture; the end of the call, if that is why, is told by its event.
      this.full = error instanceof HubError && error.code === 'ERR_SESSION_FULL';
      this.hidden = error instanceof HubError && error.code === 'ERR_FORBIDDEN';
    } finally {
      this.#opening = false;
      this.#changed();
    }
  }

  /** Fetches the still that the call has, if it is needed and was not asked for yet. */
  async lookAtStill() {
    const { sessionId, stillAt } = this.call;
    if (!stillAt || stillAt === this.#stillAt || this.seen || this.over) return;
    this.#stillAt = stillAt;
    try {
      const url = URL.createObjectURL(await this.#client.still(sessionId));
      this.image.addEventListener('load', () => URL.revokeObjectURL(url), { once: true });
      this.image.src = url;
      this.image.hidden = this.seen;
      this.still = true;
      this.#changed();
    } catch {
      // The stream comes all the same, or has come.
    }
  }

  /**
   * @param {DoorView} door
   * @param {number} [fades] milliseconds after which it is old news
   */
  showDoor(door, fades) {
    clearTimeout(this.#fading);
    this.door = door;
    if (fades !== undefined) this.#fading = setTimeout(() => this.showDoor({ at: 'shut' }), fades);
    this.#changed();
  }

  /** The hub answered: this device is in the conversation. */
  talk() {
    if (this.phase.at === 'talking') return;
    this.phase = { at: 'talking' };
    this.answered = performance.now();
    void this.openMedia();
    this.#measuring = setInterval(async () => {
      const quality = (await this.media?.quality()) ?? 'unknown';
      if (quality === this.quality) return;
      this.quality = quality;
      this.#changed();
    }, QUALITY_MS);
  }

  /**
   * @param {Extract<Phase, { at: 'over' }>['how']} how
   * @param {Call} call
   */
  finish(how, call) {
    this.phase = { at: 'over', how };
    this.call = call;
    clearInterval(this.#measuring);
    clearTimeout(this.expiry);
    clearTimeout(this.#fading);
    this.#client.endSession(call.sessionId);
    this.video.remove();
    this.image.remove();
  }
}
