// A device made by hand: speaks the wire protocol over a socket and HTTP, and nothing else. It has no picture and no sound.

import { WebSocket } from 'ws';
import { PATIENCE } from './house.js';
import { until } from './lib.js';

const PING_MS = 1_000;

export class WireDevice {
  /** Every event in its order. */
  events = [];
  #key = 0;
  #address;
  #credential;
  #socket;
  #pings;

  /** A door, by its enrolment token. */
  static async enrol(house, token) {
    const response = await fetch(`${house.address}/v1/enrol`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token }) });
    const { credential } = await response.json();
    house.secrets.add(credential);
    const device = new WireDevice();
    device.#address = house.address;
    device.#credential = credential;
    await device.#connect();
    return device;
  }

  async verb(path, body = {}) {
    this.#key += 1;
    const response = await fetch(`${this.#address}/v1${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${this.#credential}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ key: `by-hand-${this.#key}`, ...body }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer.call;
  }

  initiate(receiverType, receiver, metadata = {}) {
    return this.verb('/calls', { receiverType, receiver, type: 'video', metadata });
  }

  async hears(name) {
    await until(`${name} at the device made by hand`, () => this.events.some((event) => event.name === name), PATIENCE);
    return this.events.findLast((event) => event.name === name);
  }

  close() {
    clearInterval(this.#pings);
    this.#socket.terminate();
  }

  #connect() {
    const socket = new WebSocket(`${this.#address.replace('http', 'ws')}/v1/events`);
    this.#socket = socket;
    const send = (frame) => socket.send(JSON.stringify(frame));
    this.#pings = setInterval(() => socket.readyState === WebSocket.OPEN && send({ type: 'ping' }), PING_MS);
    return new Promise((resolve, reject) => {
      socket.on('open', () => send({ type: 'hello', protocol: 1, credential: this.#credential, seen: [] }));
      socket.on('error', reject);
      socket.on('message', (text) => {
        const frame = JSON.parse(String(text));
        if (frame.type === 'welcome') resolve();
        if (frame.type !== 'event') return;
        this.events.push(frame.event);
        send({ type: 'acknowledge', sessionId: frame.sessionId, entry: frame.entry });
      });
    });
  }
}
