// The house under test: the real hub and the real door station as processes on this machine, and the door's panel as its page
// has it. Two flats: Anna and Ben in the first, Clara in the second. Never opens a browser.

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { until } from './lib.js';

const BINARY = process.env.DOORWARD_BINARY ?? new URL('../../target/debug/doorward', import.meta.url).pathname;
/** For anything that must come: the machine may be small, and busy with other things. */
export const PATIENCE = 30_000;
/** What the door's microphone picks up. */
export const DOOR_HERTZ = 440;
const RESIDENTS = { anna: ['Anna', 'flat-1'], ben: ['Ben', 'flat-1'], clara: ['Clara', 'flat-2'] };
const FLATS = { 'flat-1': 'Flat 1', 'flat-2': 'Flat 2' };
/** The buttons: a flat each, and one for Clara alone. */
const BUTTONS = { 'flat-1': ['Flat 1', 'group'], 'flat-2': ['Flat 2', 'group'], clara: ['Clara', 'user'] };
const MAY_RING = [...Object.keys(FLATS).flatMap((guid) => ['--group', guid]), '--user', 'clara'];
const LEDS = 12;

/** Nothing outlives the tests, however they end. */
const running = new Set();
process.on('exit', () => running.forEach((pid) => signal(pid, 'SIGKILL')));

export class House {
  /** What may stand in no log. */
  secrets = new Set();
  #folder = mkdtempSync(join(tmpdir(), 'doorward-house-'));
  #hubListen = '127.0.0.1:0';
  #panelListen = '127.0.0.1:0';
  #settings;

  /**
   * Builds the house and starts it.
   * @param settings lines of TOML for the tables `hub.call`, `door.call`, `door.camera` …
   */
  static async open(settings = {}) {
    const house = new House();
    house.#settings = { hub: {}, door: {}, ...settings };
    try {
      await house.#found();
      await house.startHub();
      await house.#enrol();
      await house.startDoor();
      await until('the door at the hub', () => house.panel.status === 'Idle' && /the hub is reached/.test(house.door.text), PATIENCE);
    } catch (error) {
      house.print();
      await house.#demolish();
      throw error;
    }
    return house;
  }

  hub = new Daemon('hub', ['hub', '--config', this.#file('hub.toml')]);
  door = new Daemon('door', ['run', '--config', this.#file('door.toml')]);
  /** @type {Panel} */
  panel;
  address = '';

  async startHub() {
    this.#write('hub.toml', `
[server]
listen = "${this.#hubListen}"
state-directory = "${this.#file('hub')}"
heartbeat = "2s"
[call]
${this.#settings.hub.call ?? ''}
${this.#settings.hub.push ? `[push]\n${this.#settings.hub.push}` : ''}
[log]
level = "debug"
`);
    this.address = await this.hub.start();
    // The phones know this address: the next start takes the same one.
    this.#hubListen = new URL(this.address).host;
  }

  async startDoor() {
    this.#writeDoor();
    const address = await this.door.start();
    this.#panelListen = new URL(address).host;
    this.panel ??= new Panel(address);
  }

  /** The media worker of the door, once it is there. */
  async worker() {
    let found;
    await until('a media worker', () => (found = this.door.children().find((pid) => commandOf(pid).includes('media-worker'))), PATIENCE);
    running.add(found);
    return found;
  }

  /** Whether the door has its camera or its microphone open, by its own word. */
  get captures() {
    return / (camera|microphone)=true/.test(this.door.lines.findLast((line) => line.includes('capture devices')) ?? '');
  }

  /** A link with which a phone becomes this resident's. */
  async invite(uid) {
    const text = await this.#administer('user', 'pair', uid, '--address', this.address);
    this.secrets.add(/code: (\S+)/.exec(text)[1]);
    return /link: (\S+)/.exec(text)[1];
  }

  /** A credential of a new administrator, once the hub knows it: it looks twice a second for what the command changed. */
  async administrator(id) {
    const credential = /credential: (\S+)/.exec(await this.#administer('administrator', 'add', id))[1];
    this.secrets.add(credential);
    const headers = { authorization: `Bearer ${credential}` };
    // Wrong ones meanwhile do not keep the right one out.
    const known = async () => (await fetch(`${this.address}/v1/admin/directory`, { headers })).ok;
    await until('the hub knows the administrator', known, PATIENCE);
    return credential;
  }

  /** What happened, in the words of both processes. */
  print() {
    for (const daemon of [this.hub, this.door]) console.error(`---- ${daemon.name}\n${daemon.text}\n----`);
    console.error(`---- the panel's statuses\n${this.panel?.statuses.join('\n')}\n----`);
  }

  /** Stops everything, and judges the logs: no error that was not `expected`, and no secret. */
  async close({ failed = false, expected = [] } = {}) {
    try {
      if (!failed) {
        await this.door.stop();
        await this.hub.stop();
        this.#judge(expected);
      }
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      if (failed) this.print();
      await this.#demolish();
    }
  }

  async #found() {
    this.#write('hub.toml', `[server]\nstate-directory = "${this.#file('hub')}"\n`);
    for (const [guid, name] of Object.entries(FLATS)) await this.#administer('group', 'add', guid, '--name', name);
    for (const [uid, [name, flat]] of Object.entries(RESIDENTS)) await this.#administer('user', 'add', uid, '--name', name, '--group', flat);
    await this.#administer('door', 'add', 'front-door', '--name', 'Front door', ...MAY_RING);
  }

  /** A second door of the house, which only has a name and a token for whoever plays it. */
  async addGarden() {
    await this.#administer('door', 'add', 'garden', '--name', 'Garden gate', ...MAY_RING);
    return this.#makeToken('garden');
  }

  async #makeToken(uid) {
    const token = /token: (\S+)/.exec(await this.#administer('door', 'enrol', uid))[1];
    this.secrets.add(token);
    return token;
  }

  async #enrol() {
    const token = await this.#makeToken('front-door');
    this.#writeDoor();
    await run(['enrol', '--config', this.#file('door.toml')], token);
    this.secrets.add(readFileSync(this.#file('door.credential'), 'utf8').trim());
  }

  #writeDoor() {
    const { door } = this.#settings;
    const buttons = Object.entries(BUTTONS).map(([id, [label, kind]]) => `[[button]]\nid = "${id}"\nlabel = "${label}"\nreceiver = { ${kind} = "${id}" }\n`);
    this.#write('door.toml', `
[door]
name = "Front door"
[hub]
address = "${this.address}"
credential = { file = "${this.#file('door.credential')}" }
${buttons.join('')}
[panel.page]
listen = "${this.#panelListen}"
[call]
${door.call ?? ''}
[microphone.test]
hertz = ${DOOR_HERTZ}
[video]
${door.video ?? 'width = 320\nheight = 240\nframe-rate = 15\nbitrate = 300'}
[light]
leds = ${LEDS}
[ice]
loopback = true
${door.ice ?? ''}
[log]
level = "debug"
`);
  }

  #administer(...words) {
    return run(['hub', '--config', this.#file('hub.toml'), ...words]);
  }

  #judge(expected) {
    for (const daemon of [this.hub, this.door]) {
      for (const line of daemon.lines) {
        if (/\bERROR\b|panicked/.test(line) && !expected.some((pattern) => pattern.test(line))) throw new Error(`an error in the log of the ${daemon.name}: ${line}`);
        if ([...this.secrets].some((secret) => line.includes(secret))) throw new Error(`a secret in the log of the ${daemon.name}: ${line}`);
        if (/a=ice-|a=fingerprint|candidate:\d/.test(line) && !/\b(DEBUG|TRACE)\b/.test(line)) throw new Error(`a description in the log of the ${daemon.name}: ${line}`);
      }
    }
  }

  async #demolish() {
    this.panel?.close();
    await this.door.kill();
    await this.hub.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(name) {
    return join(this.#folder, name);
  }

  #write(name, text) {
    writeFileSync(this.#file(name), text, { mode: 0o600 });
  }
}

/** One process of the house, which may be killed and started again. */
class Daemon {
  lines = [];
  #child = null;
  #ended = Promise.resolve();

  constructor(name, words) {
    this.name = name;
    this.words = words;
  }

  get pid() {
    return this.#child.pid;
  }

  get text() {
    return this.lines.join('\n');
  }

  /** Resolves with the address in its line of readiness. */
  start() {
    const { RUST_LOG, ...env } = process.env;
    const child = spawn(BINARY, this.words, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child = child;
    running.add(child.pid);
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    createInterface({ input: child.stderr }).on('line', (line) => this.lines.push(line));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the ${this.name} was not ready in time`)), PATIENCE);
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.lines.push(line);
        const ready = /^ready \w+=(\S+)/.exec(line);
        if (ready) (clearTimeout(late), resolve(ready[1]));
      });
      child.once('error', reject);
      child.once('close', (code, by) => {
        running.delete(child.pid);
        this.lines.push(`(the ${this.name} ended: ${by ?? code})`);
        clearTimeout(late);
        reject(new Error(`the ${this.name} ended before it was ready:\n${this.text}`));
      });
    });
  }

  children() {
    const folder = `/proc/${this.pid}/task`;
    return readdirSync(folder).flatMap((task) => readFileSync(`${folder}/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
  }

  /** At once, without a chance to tidy up. */
  async kill() {
    if (this.#child && isRunning(this.#child)) this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** As a service manager does it. */
  async stop() {
    if (!isRunning(this.#child)) throw new Error(`the ${this.name} had ended by itself`);
    const late = setTimeout(() => this.#child.kill('SIGABRT'), PATIENCE);
    this.#child.kill('SIGTERM');
    await this.#ended;
    clearTimeout(late);
    if (this.#child.exitCode !== 0) throw new Error(`the ${this.name} ended with ${this.#child.signalCode ?? this.#child.exitCode}`);
  }
}

/** The panel's page without a browser: what it is told, and a finger. */
export class Panel {
  status = '';
  /** Every status there was, in their order. */
  statuses = [];
  /** Every measurement of the speaker: level in dBFS, strongest frequency in hertz. */
  heard = [];
  relay = false;
  /** How often the relay was switched on. */
  pulses = 0;
  #frame = '';
  #socket = null;
  #closed = false;
  #measured = -1;

  constructor(address) {
    this.address = address;
    this.#connect();
  }

  /** Presses a button; resolves when the finger is gone. */
  async press(button = 'flat-1', hold = 100) {
    const response = await fetch(`${this.address}press/${button}?hold=${hold}`, { method: 'POST' });
    if (!response.ok) throw new Error(`the panel has no button ${button}`);
  }

  /** Puts a contact: `door-contact`, `request-to-exit`, `tamper`. */
  async line(name, active) {
    const response = await fetch(`${this.address}line/${name}?active=${active}`, { method: 'POST' });
    if (!response.ok) throw new Error(`the panel has no line ${name}`);
  }

  /** Until the door stands so: `Idle`, `Ringing`, `Ringing { delivered: 2`, `Outcome(Busy)` … */
  async stands(beginning, patience = PATIENCE) {
    await until(`the door stands at ${beginning}; it stands at ${this.status}`, () => this.status.startsWith(beginning), patience)
      .catch(() => { throw new Error(`the door never stood at ${beginning}; it stands at ${this.status}`); });
  }

  /** Until the door was at this status at some time since `since`, an index of `statuses`. */
  async stood(beginning, since = 0) {
    await until(`the door had ${beginning}`, () => this.statuses.slice(since).some((status) => status.startsWith(beginning)), PATIENCE);
  }

  get camera() {
    return this.#isLit(0);
  }

  /** The hub is not reached, or a button is stuck. */
  get trouble() {
    return this.#isLit(LEDS / 2);
  }

  /** Until the speaker plays this frequency, louder than this. */
  async hears(hertz, dbfs = -40) {
    const from = this.heard.length;
    await until(`${hertz} Hz at the door`, () => this.heard.slice(from).some((one) => isTone(one, hertz, dbfs)), PATIENCE)
      .catch((error) => { throw new Error(`${error.message}; last heard: ${JSON.stringify(this.heard.slice(-5))}`); });
  }

  /** Whether a frequency was heard since `since`, an index of `heard`. */
  didHear(hertz, since = 0, dbfs = -65) {
    return this.heard.slice(since).some((one) => isTone(one, hertz, dbfs));
  }

  close() {
    this.#closed = true;
    this.#socket?.terminate();
  }

  #connect() {
    const { host, origin } = new URL(this.address);
    const socket = new WebSocket(`ws://${host}/socket`, { origin });
    this.#socket = socket;
    socket.on('message', (data) => {
      const { shown } = JSON.parse(String(data));
      if (shown) this.#show(shown);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.status = '';
      this.#frame = '';
      this.#measured = -1;
      if (!this.#closed) setTimeout(() => this.#closed || this.#connect(), 100);
    });
  }

  #show({ frame, speaker, relay, status }) {
    this.#frame = frame;
    if (relay !== this.relay) this.pulses += relay ? 1 : 0;
    this.relay = relay;
    if (status !== this.status) this.statuses.push(status);
    this.status = status;
    if (speaker && speaker.count !== this.#measured) this.heard.push({ dbfs: speaker.dbfs, hertz: speaker.hertz });
    if (speaker) this.#measured = speaker.count;
  }

  #isLit(led) {
    const colour = this.#frame.slice(led * 6, led * 6 + 6);
    return colour !== '' && colour !== '000000';
  }
}

/** Whether a measurement is this tone, within 5 %. */
export function isTone(measured, hertz, dbfs) {
  return measured.dbfs > dbfs && Math.abs(measured.hertz - hertz) < hertz * 0.05;
}

export function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

export function isAlive(pid) {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function isRunning(child) {
  return child.exitCode === null && child.signalCode === null;
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function run(words, input = '') {
  return new Promise((resolve, reject) => {
    const child = execFile(BINARY, words, (error, out, complaint) => (error ? reject(new Error(`doorward ${words.join(' ')}: ${complaint}`)) : resolve(out)));
    // Most commands end without reading: a pipe closed by then is no fault.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
