// The microphone of this device: asked for at the touch that answers, closed when the call is over.
// Whether it may be heard is not decided here (media.js).

/** How it stands. @typedef {'closed' | 'asking' | 'open' | 'muted' | 'denied' | 'missing'} MicrophoneState */

const WISHES = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } };

export class Microphone {
  /** @type {MicrophoneState} */
  state = 'closed';
  onChange = () => {};
  /** @type {MediaStreamTrack | null} */
  track = null;
  /** Counts openings, so that a permission that comes after the call is over opens nothing. */
  #opening = 0;

  /** @returns {Promise<MediaStreamTrack | null>} null where there is none, or it may not be used */
  async open() {
    const opening = ++this.#opening;
    this.#become('asking');
    try {
      const stream = await navigator.mediaDevices.getUserMedia(WISHES);
      const track = stream.getAudioTracks()[0] ?? null;
      if (opening !== this.#opening) {
        track?.stop();
        return null;
      }
      this.track = track;
      this.#become(track ? 'open' : 'missing');
      return track;
    } catch (error) {
      if (opening === this.#opening) {
        this.#become(error instanceof DOMException && error.name === 'NotAllowedError' ? 'denied' : 'missing');
      }
      return null;
    }
  }

  close() {
    this.#opening += 1;
    this.track?.stop();
    this.track = null;
    this.#become('closed');
  }

  toggleMute() {
    if (!this.track) return;
    this.track.enabled = !this.track.enabled;
    this.#become(this.track.enabled ? 'open' : 'muted');
  }

  /** @param {MicrophoneState} state */
  #become(state) {
    this.state = state;
    this.onChange();
  }
}

/** @returns {Promise<'granted' | 'denied' | 'prompt'>} */
export async function microphonePermission() {
  try {
    return (await navigator.permissions.query({ name: /** @type {PermissionName} */ ('microphone') })).state;
  } catch {
    return 'prompt';
  }
}

/** Asks for the permission alone. */
export async function allowMicrophone() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia(WISHES);
    for (const track of stream.getTracks()) track.stop();
  } catch {
    // Refused: the screens say what follows from it.
  }
}
