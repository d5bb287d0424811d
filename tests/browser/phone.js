// A resident's phone: the app in a browser profile of its own, what a finger does on it, and what it sends and receives, measured
// below the app. Never looks into the app's own state.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cable } from './cable.js';
import { PATIENCE, isTone } from './house.js';
import { expectNoFaults, launch, resident, screenshot, until } from './lib.js';

/** What a resident's microphone picks up: no tone of the door's own. */
export const VOICE_HERTZ = 1000;

/** A browser whose microphones hear a steady tone. */
export function launchWithVoice() {
  const folder = mkdtempSync(join(tmpdir(), 'doorward-voice-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'voice.wav');
  writeFileSync(path, wave(VOICE_HERTZ, 10));
  return launch([`--use-file-for-fake-audio-capture=${path}`]);
}

/** Runs in every page before the app: keeps its connections at hand, and lets the tone through as it is. */
function watch() {
  const connections = (globalThis.connections = []);
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...words) {
      super(...words);
      connections.push(this);
    }
  };
  // A steady tone is noise to a noise suppressor.
  const ask = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = function (wishes) {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return ask.call(this, { ...wishes, audio: wishes.audio && plain });
  };
}

/** Runs in the page: sums over its open connections. */
async function measure() {
  const open = globalThis.connections.filter(({ connectionState }) => connectionState !== 'closed');
  const sum = { made: globalThis.connections.length, open: open.length, connected: 0, framesDecoded: 0, audioReceived: 0, audioSent: 0, microphone: false };
  for (const connection of open) {
    if (connection.connectionState === 'connected') sum.connected += 1;
    sum.microphone ||= connection.getSenders().some(({ track }) => track?.kind === 'audio');
    for (const report of (await connection.getStats()).values()) {
      if (report.type === 'inbound-rtp' && report.kind === 'video') sum.framesDecoded += report.framesDecoded ?? 0;
      if (report.type === 'inbound-rtp' && report.kind === 'audio') sum.audioReceived += report.packetsReceived ?? 0;
      if (report.type === 'outbound-rtp' && report.kind === 'audio') sum.audioSent += report.packetsSent ?? 0;
    }
  }
  return sum;
}

/** Runs in the page: level and strongest frequency of what the newest connection plays. */
function listen() {
  const track = globalThis.connections.at(-1)?.getReceivers().find((one) => one.track.kind === 'audio')?.track;
  if (!track) return { dbfs: -200, hertz: 0 };
  globalThis.ears ??= new Map();
  let ear = globalThis.ears.get(track);
  if (!ear) {
    const context = (globalThis.hearing ??= new AudioContext());
    ear = context.createAnalyser();
    ear.fftSize = 16_384;
    ear.smoothingTimeConstant = 0;
    context.createMediaStreamSource(new MediaStream([track])).connect(ear);
    globalThis.ears.set(track, ear);
  }
  const samples = new Float32Array(ear.fftSize);
  ear.getFloatTimeDomainData(samples);
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  const bins = new Float32Array(ear.frequencyBinCount);
  ear.getFloatFrequencyData(bins);
  let strongest = 1;
  for (let bin = 2; bin < bins.length; bin += 1) if (bins[bin] > bins[strongest]) strongest = bin;
  return { dbfs: 10 * Math.log10(energy + 1e-20), hertz: (strongest * ear.context.sampleRate) / ear.fftSize };
}

export class Phone {
  /** A new phone, paired with a new code; with `cable` over a cable of its own, which can be cut. */
  static async pair(browser, house, uid, { cable: wired = false, prepareMore, ...options } = {}) {
    const link = new URL(await house.invite(uid));
    const cable = wired ? await Cable.lay(house.address) : null;
    /** What the hub told, every frame in its order. */
    const told = [];
    const prepare = async (context, page) => {
      await context.addInitScript(watch);
      await prepareMore?.(context);
      page.on('websocket', (socket) => {
        socket.on('framesent', ({ payload }) => keepSecrets(house, String(payload)));
        socket.on('framereceived', ({ payload }) => told.push(JSON.parse(String(payload))));
      });
    };
    const phone = Object.assign(new Phone(), { uid, house, told, cable, ...(await resident(browser, cable?.address ?? house.address, { path: `/${link.hash}`, prepare, ...options })) });
    phone.page.setDefaultTimeout(PATIENCE);
    await phone.page.getByText('All quiet at the door').waitFor();
    await phone.isConnected();
    return phone;
  }

  /** Until the call on the screen is there: `ringing`, `answering`, `calling`, `talking`, `over`. */
  stands(at) {
    return this.page.locator(`.call[data-phase="${at}"]`).waitFor();
  }

  async isQuiet() {
    await this.page.getByText('All quiet at the door').waitFor();
  }

  reads(words) {
    return this.page.getByText(words).first().waitFor();
  }

  async tap(name) {
    await this.page.getByRole('button', { name, exact: true }).click();
  }

  /** Presses a button for this long. */
  async hold(name, millis) {
    const button = this.page.getByRole('button', { name, exact: true });
    await button.hover();
    await this.page.mouse.down();
    await this.page.waitForTimeout(millis);
    await this.page.mouse.up();
  }

  /** Until the picture moves, and stands on the screen. */
  async sees() {
    await this.page.locator('.stage-frame.shown:not(.stale)').waitFor();
    const { framesDecoded } = await this.measure();
    await until(`more frames at ${this.uid}`, async () => (await this.measure()).framesDecoded > framesDecoded + 5, PATIENCE);
  }

  /** From the ring to the conversation. */
  async answer() {
    await this.stands('ringing');
    await this.tap('Answer');
    await this.stands('talking');
  }

  /** Every session the hub told this phone of. */
  get sessions() {
    return new Set(this.told.filter(({ type }) => type === 'event').map(({ sessionId }) => sessionId));
  }

  /** How often the hub told this event since `since`, an index of `told`. */
  count(name, since = 0) {
    return this.told.slice(since).filter(({ event }) => event?.name === name).length;
  }

  /** Until the connection to the hub stands (`online`) or is gone (`offline`). */
  isConnected(state = 'online') {
    return this.page.locator(`body[data-connection="${state}"]`).waitFor();
  }

  /** Calls that the hub says this phone is in, or ringing for. */
  activeCalls() {
    return this.page.evaluate(async () => {
      const { credential } = JSON.parse(localStorage.getItem('doorward'));
      const response = await fetch('/v1/calls/active', { headers: { Authorization: `Bearer ${credential}` } });
      return (await response.json()).calls;
    });
  }

  measure() {
    return this.page.evaluate(measure);
  }

  /** Until the door's sound arrives, by frequency and well above any noise. */
  async hears(hertz, dbfs = -50) {
    let heard = { dbfs: -200, hertz: 0 };
    await until(`${hertz} Hz at ${this.uid}`, async () => isTone((heard = await this.page.evaluate(listen)), hertz, dbfs), PATIENCE)
      .catch((error) => { throw new Error(`${error.message}; last heard: ${JSON.stringify(heard)}`); });
  }

  /** Until nothing is open any more: neither a connection nor the microphone. */
  async isClosed() {
    await until(`the connections of ${this.uid} closed`, async () => (await this.measure()).open === 0, PATIENCE);
  }

  screenshot(name) {
    return screenshot(this.page, name);
  }

  expectNoFaults() {
    expectNoFaults(this);
  }
}

/** Credentials and tokens, as they go over the wire. */
function keepSecrets(house, frame) {
  for (const [, secret] of frame.matchAll(/"(?:credential|token)":"([^"]{16,})"/g)) house.secrets.add(secret);
}

/** A tone as a WAV file of whole periods: it may be repeated without a click. */
function wave(hertz, seconds) {
  const rate = 48_000;
  const samples = Buffer.alloc(rate * seconds * 2);
  for (let n = 0; n < rate * seconds; n += 1) samples.writeInt16LE(Math.round(Math.sin((2 * Math.PI * hertz * n) / rate) * 12_000), n * 2);
  const header = Buffer.alloc(44);
  header.write('RIFF');
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}
