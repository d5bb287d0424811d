// The media session of one call: answers the door's offers, shows its picture, and opens the microphone after consent only.
// Never asks for the microphone itself, never calls a verb.

import { Silence } from './silence.js';

/** @import { Role, SessionToken, Signal } from './types.js' */

/**
 * How a session stands: `starting` (asking the hub), `waiting` (for the door's offer), `connecting`, `connected`, `lost`
 * (a new connection is being made), `refused`, `ended`.
 * @typedef {'starting' | 'waiting' | 'connecting' | 'connected' | 'lost' | 'refused' | 'ended'} MediaState
 */

/**
 * @typedef {object} MediaElements
 * @property {HTMLVideoElement} [video] where the door's picture goes; it is muted, so that it may always play
 * @property {HTMLAudioElement} [audio] where the door's sound goes
 */

/** @typedef {'good' | 'weak' | 'bad' | 'unknown'} Quality */

const MOST_EARLY_CANDIDATES = 64;

export class MediaSession {
  /** @type {MediaState} */
  state = 'starting';
  /** The browser refuses to play sound until the page is touched; then call `listen()`. */
  soundBlocked = false;
  /** Called after each change of the above. @type {() => void} */
  onChange = () => {};

  /** @type {RTCPeerConnection | null} */
  #connection = null;
  /** @type {RTCRtpTransceiver | null} */
  #audio = null;
  #peer = -1;
  /** Numbers of the door's connections that were offered in this start of the session. @type {Set<number>} */
  #offered = new Set();
  /** Candidates that came before their offer. @type {Map<number, RTCIceCandidateInit[]>} */
  #early = new Map();
  #silence = new Silence();
  #work = Promise.resolve();
  /** @type {Role} */
  #role = 'viewer';
  /** @type {MediaStreamTrack | null} */
  #microphone = null;
  /** @type {{ received: number, lost: number, frames: number }} */
  #counted = { received: 0, lost: 0, frames: 0 };
  #client;
  #elements;
  /** @type {RTCIceServer[]} */
  #iceServers;

  /**
   * @param {SessionToken} token
   * @param {MediaElements} elements
   * @param {{ send: (peer: number, signal: Signal) => void, changed: () => void }} client
   */
  constructor(token, elements, client) {
    this.#iceServers = token.iceServers;
    this.#elements = elements;
    this.#client = client;
  }

  get role() {
    return this.#role;
  }

  /**
   * The microphone, from the page. It is heard only while this device is a participant.
   * @param {MediaStreamTrack | null} track
   */
  async offerMicrophone(track) {
    this.#microphone = track;
    await this.#attach();
  }

  /**
   * The hub's word on what this device may do. Opens or closes the microphone's way out.
   * @param {Role} role
   */
  async assign(role) {
    if (role === this.#role) return;
    this.#role = role;
    await this.#attach();
  }

  /** Tries to play the sound; from a touch of the page it will be allowed. */
  async listen() {
    const { audio } = this.#elements;
    if (!audio?.srcObject) return;
    try {
      await audio.play();
      this.#blocked(false);
    } catch (error) {
      // An AbortError only says that the element got another source meanwhile.
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.#blocked(true);
    }
  }

  /** The hub started the session; offers follow. */
  started() {
    this.#offered.clear();
    this.#early.clear();
    if (this.state === 'starting' || this.state === 'lost') this.#become('waiting');
  }

  /** @param {SessionToken} token a new token, before the session is started again */
  renew(token) {
    this.#iceServers = token.iceServers;
    if (this.state !== 'connected') this.#become('starting');
  }

  refused() {
    this.#become('refused');
  }

  /** The door's connection that is up, so that the door need not replace it. @returns {number | undefined} */
  get keeps() {
    return this.state === 'connected' ? this.#peer : undefined;
  }

  /**
   * @param {number} peer
   * @param {Signal} signal
   */
  apply(peer, signal) {
    this.#work = this.#work
      .then(() => this.#apply(peer, signal))
      .catch((error) => console.warn('a signal of the door could not be used', error));
  }

  /** Closes the connection and lets the elements go. The microphone's track belongs to the page, which stops it. */
  end() {
    this.#become('ended');
    this.#close();
    for (const element of [this.#elements.video, this.#elements.audio]) if (element) element.srcObject = null;
    this.#microphone = null;
  }

  /**
   * How well it goes, since the last time it was asked.
   * @returns {Promise<Quality>}
   */
  async quality() {
    if (this.state === 'lost') return 'bad';
    if (!this.#connection || this.state !== 'connected') return 'unknown';
    const now = { received: 0, lost: 0, frames: 0 };
    let roundTrip = 0;
    for (const report of (await this.#connection.getStats()).values()) {
      if (report.type === 'inbound-rtp') {
        now.received += report.packetsReceived ?? 0;
        now.lost += report.packetsLost ?? 0;
        now.frames += report.framesDecoded ?? 0;
      } else if (report.type === 'candidate-pair' && report.nominated) {
        roundTrip = report.currentRoundTripTime ?? 0;
      }
    }
    const received = now.received - this.#counted.received;
    const lost = Math.max(now.lost - this.#counted.lost, 0);
    this.#counted = now;
    if (received <= 0) return 'bad';
    const share = lost / (lost + received);
    if (share > 0.15) return 'bad';
    return share > 0.03 || roundTrip > 0.4 ? 'weak' : 'good';
  }

  /** The connection's statistics, for tests and diagnosis. */
  async stats() {
    return this.#connection ? [...(await this.#connection.getStats()).values()] : [];
  }

  /**
   * @param {number} peer
   * @param {Signal} signal
   */
  async #apply(peer, signal) {
    if (this.state === 'ended') return;
    if (signal.kind === 'offer') return this.#answer(peer, signal.sdp);
    if (signal.kind !== 'candidate') return;
    const candidate = { candidate: signal.candidate, sdpMLineIndex: signal.sdpMLineIndex };
    if (peer === this.#peer) {
      await this.#connection?.addIceCandidate(candidate);
    } else if (!this.#offered.has(peer)) {
      const early = this.#early.get(peer) ?? [];
      if (early.length < MOST_EARLY_CANDIDATES) this.#early.set(peer, [...early, candidate]);
    }
  }

  /**
   * An offer under a number not seen before replaces the connection there was.
   * @param {number} peer
   * @param {string} sdp
   */
  async #answer(peer, sdp) {
    if (this.#offered.has(peer)) return;
    this.#offered.add(peer);
    this.#close();
    this.#peer = peer;
    const connection = new RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: 'max-bundle' });
    this.#connection = connection;
    this.#counted = { received: 0, lost: 0, frames: 0 };
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      const sdpMLineIndex = candidate.sdpMLineIndex ?? 0;
      this.#client.send(peer, { kind: 'candidate', candidate: candidate.candidate, sdpMLineIndex });
    };
    connection.onconnectionstatechange = () => this.#follow(connection);
    connection.ontrack = ({ track }) => this.#show(track);
    this.#become('connecting');

    await connection.setRemoteDescription({ type: 'offer', sdp });
    this.#audio = connection.getTransceivers().find(({ receiver }) => receiver.track.kind === 'audio') ?? null;
    // Both ways from the start, without a track: consent later needs no new negotiation.
    if (this.#audio) this.#audio.direction = 'sendrecv';
    await this.#attach();
    await connection.setLocalDescription(await connection.createAnswer());
    if (connection !== this.#connection) return;
    this.#client.send(peer, { kind: 'answer', sdp: connection.localDescription?.sdp ?? '' });
    for (const candidate of this.#early.get(peer) ?? []) await connection.addIceCandidate(candidate);
    this.#early.delete(peer);
  }

  async #attach() {
    const consented = this.#role === 'participant';
    await this.#audio?.sender.replaceTrack(consented ? this.#microphone : null);
  }

  /** @param {MediaStreamTrack} track */
  #show(track) {
    const { video, audio } = this.#elements;
    if (track.kind === 'video' && video) {
      video.muted = true;
      video.playsInline = true;
      video.srcObject = new MediaStream([track]);
      video.play().catch(() => {});
    } else if (track.kind === 'audio' && audio) {
      audio.srcObject = new MediaStream([track]);
      void this.listen();
    }
  }

  /** @param {RTCPeerConnection} connection */
  #follow(connection) {
    if (connection !== this.#connection || this.state === 'ended') return;
    if (connection.connectionState === 'connected') {
      this.#become('connected');
      this.#silence.watch(connection, () => this.#become('lost'));
    }
    else if (connection.connectionState === 'failed' || connection.connectionState === 'disconnected') this.#become('lost');
  }

  #close() {
    const connection = this.#connection;
    this.#connection = null;
    this.#audio = null;
    this.#silence.stop();
    if (!connection) return;
    connection.onicecandidate = connection.onconnectionstatechange = connection.ontrack = null;
    connection.close();
  }

  /** @param {boolean} blocked */
  #blocked(blocked) {
    if (blocked === this.soundBlocked) return;
    this.soundBlocked = blocked;
    this.onChange();
  }

  /** @param {MediaState} state */
  #become(state) {
    if (state === this.state || this.state === 'ended') return;
    this.state = state;
    this.#client.changed();
    this.onChange();
  }
}
