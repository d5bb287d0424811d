// Everything that makes a resident notice: tone, vibration, title, notification, and a screen that stays on.
// Decides nothing: it is told what to sound.

import { t } from './texts.js';

/** @import { PushMessage } from './types.js' */

/**
 * A cadence: notes as [hertz, start in seconds, length in seconds], and how often it comes.
 * @typedef {{ every: number, loudness: number, notes: [number, number, number][] }} Cadence
 */

/** @type {Record<'chime' | 'waiting' | 'ringback' | 'over', Cadence>} */
const CADENCES = {
  // Two notes of an old door bell, a major third down, and again.
  chime: { every: 3.2, loudness: 0.5, notes: [[659.3, 0, 1.1], [523.3, 0.45, 1.6], [659.3, 1.3, 1.1], [523.3, 1.75, 1.6]] },
  waiting: { every: 5, loudness: 0.12, notes: [[587.3, 0, 0.25], [587.3, 0.35, 0.25]] },
  ringback: { every: 4, loudness: 0.12, notes: [[425, 0, 0.9]] },
  over: { every: 0, loudness: 0.1, notes: [[523.3, 0, 0.2], [392, 0.18, 0.35]] },
};

/** @typedef {keyof typeof CADENCES} ToneName */

const VIBRATION = [500, 200, 500, 1_800];

export class Ring {
  /** 0 to 1, of the chime. */
  volume = 0.8;
  /** Called when the browser lets the page sound, or no longer. */
  onSoundChanged = () => {};
  #context = new AudioContext();
  /** @type {ToneName | null} */
  #tone = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #again;
  /** @type {GainNode | null} */
  #playing = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #blinking;
  /** @type {WakeLockSentinel | null} */
  #awake = null;
  #awakeWanted = false;
  /** The screen was to stay on, and the browser did not let it. */
  awakeRefused = false;

  constructor() {
    this.#context.onstatechange = () => this.onSoundChanged();
    for (const touch of ['pointerdown', 'keydown']) addEventListener(touch, () => this.unlock(), { capture: true, passive: true });
    document.addEventListener('visibilitychange', () => void this.#holdAwake());
  }

  /** Whether the browser lets the page sound. */
  get audible() {
    return this.#context.state === 'running';
  }

  /** To be called from a touch of the page. */
  unlock() {
    if (this.#context.state !== 'running') this.#context.resume().catch(() => {});
  }

  /**
   * Sounds this, and nothing else, until told otherwise.
   * @param {ToneName | null} tone
   */
  sound(tone) {
    if (tone === this.#tone) return;
    this.#tone = tone;
    this.#silence();
    if (!tone) return;
    this.#once(tone);
    if (tone === 'over') this.#tone = null;
    else this.#again = setInterval(() => this.#once(tone), CADENCES[tone].every * 1_000);
  }

  /** @param {ToneName} tone */
  #once(tone) {
    if (tone === 'chime' && navigator.userActivation?.hasBeenActive) navigator.vibrate?.(VIBRATION);
    const { notes, loudness } = CADENCES[tone];
    const now = this.#context.currentTime + 0.02;
    const master = this.#context.createGain();
    master.gain.value = tone === 'chime' ? loudness * this.volume : loudness;
    master.connect(this.#context.destination);
    this.#playing = master;
    for (const [hertz, start, length] of notes) {
      // A bell: the octaves die faster than the ground note.
      for (const [times, share] of tone === 'chime' ? [[1, 0.6], [2, 0.22], [3, 0.1]] : [[1, 0.6]]) {
        const oscillator = new OscillatorNode(this.#context, { frequency: hertz * /** @type {number} */ (times) });
        const envelope = this.#context.createGain();
        const from = now + start;
        envelope.gain.setValueAtTime(0, from);
        envelope.gain.linearRampToValueAtTime(/** @type {number} */ (share), from + 0.012);
        envelope.gain.exponentialRampToValueAtTime(0.0001, from + length / (tone === 'chime' ? Math.sqrt(Number(times)) : 1));
        oscillator.connect(envelope).connect(master);
        oscillator.start(from);
        oscillator.stop(from + length);
      }
    }
  }

  #silence() {
    clearInterval(this.#again);
    if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(0);
    const playing = this.#playing;
    this.#playing = null;
    if (!playing) return;
    playing.gain.setTargetAtTime(0, this.#context.currentTime, 0.02);
    setTimeout(() => playing.disconnect(), 200);
  }

  /** @param {string | null} words what the title of the page tells, turn by turn with its name */
  title(words) {
    clearInterval(this.#blinking);
    document.title = words ?? t('appName');
    if (!words || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    this.#blinking = setInterval(() => {
      document.title = document.title === words ? t('appName') : words;
    }, 1_000);
  }

  /**
   * A notification, where the page is not seen and the resident allowed it: the same that a push shows.
   * @param {PushMessage & { body?: string }} message
   */
  async notify(message) {
    if (document.visibilityState === 'visible' || globalThis.Notification?.permission !== 'granted') return;
    const registration = await navigator.serviceWorker?.getRegistration();
    registration?.active?.postMessage(message);
  }

  /** @param {string} tag */
  async dismiss(tag) {
    const registration = await navigator.serviceWorker?.getRegistration();
    for (const notification of (await registration?.getNotifications({ tag })) ?? []) notification.close();
  }

  /** @param {boolean} wanted whether the screen stays on */
  keepAwake(wanted) {
    if (wanted === this.#awakeWanted) return;
    this.#awakeWanted = wanted;
    void this.#holdAwake();
  }

  async #holdAwake() {
    if (this.#awakeWanted && document.visibilityState === 'visible' && (!this.#awake || this.#awake.released)) {
      // Refused on a low battery: then the screen goes dark as always.
      this.#awake = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null;
      this.awakeRefused = !this.#awake;
      this.onSoundChanged();
    }
    if (!this.#awakeWanted) {
      await this.#awake?.release();
      this.#awake = null;
    }
  }
}
