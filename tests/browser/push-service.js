// A push service on this machine: takes what the hub sends, checks who sent it, decrypts it for the phones it knows, and answers
// as it is told. And a phone's end of it: what a browser without a push service of its own is given instead.

import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from 'node:crypto';
import { createServer } from 'node:http';
import { PATIENCE } from './house.js';
import { until } from './lib.js';

const ORDER = 65;

export class PushService {
  /** Every message, in its order: `{ phone, text, ttl, topic }`. */
  messages = [];
  /** Status of the answer, by phone; 201 for the others. */
  answers = new Map();
  #phones = new Map();
  #server = createServer((request, response) => void this.#take(request, response));

  static async open() {
    const service = new PushService();
    await new Promise((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    service.address = `http://127.0.0.1:${service.#server.address().port}`;
    return service;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** What the browser of this phone would give the app. */
  subscription(phone) {
    const ecdh = createECDH('prime256v1');
    ecdh.generateKeys();
    const auth = randomBytes(16);
    this.#phones.set(phone, { ecdh, auth });
    const keys = { p256dh: ecdh.getPublicKey().toString('base64url'), auth: auth.toString('base64url') };
    return { endpoint: `${this.address}/${phone}-${randomBytes(12).toString('hex')}`, keys };
  }

  /** The next message to a phone after the first `since`, and its number. */
  async message(phone, kind, since = 0) {
    const find = () => this.messages.findIndex((one, index) => index >= since && one.phone === phone && JSON.parse(one.text).kind === kind);
    await until(`a push of ${kind} to ${phone}; there were ${JSON.stringify(this.messages)}`, () => find() >= 0, PATIENCE);
    return this.messages[find()];
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const phone = /^\/(\w+)-/.exec(request.url)[1];
    try {
      this.#check(request.headers.authorization);
      const text = this.#decrypt(phone, Buffer.concat(chunks));
      this.messages.push({ phone, text, ttl: Number(request.headers.ttl), topic: request.headers.topic });
      response.writeHead(this.answers.get(phone) ?? 201).end();
    } catch (error) {
      // The hub would send it again: the test has to see it.
      this.messages.push({ phone, text: JSON.stringify({ kind: `refused: ${error}` }) });
      response.writeHead(400).end();
    }
  }

  /** RFC 8292. */
  #check(authorization) {
    const [, signed, signature, key] = /^vapid t=([\w-]+\.[\w-]+)\.([\w-]+), k=([\w-]+)$/.exec(authorization);
    const raw = Buffer.from(key, 'base64url');
    const jwk = { kty: 'EC', crv: 'P-256', x: raw.subarray(1, 33).toString('base64url'), y: raw.subarray(33).toString('base64url') };
    const good = verify('sha256', Buffer.from(signed), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
    const { aud, exp } = JSON.parse(Buffer.from(signed.split('.')[1], 'base64url'));
    if (!good || aud !== this.address || exp * 1_000 < Date.now() || exp * 1_000 > Date.now() + 86_400_000) throw new Error(`the hub's word is not good: ${signed}`);
  }

  /** RFC 8291. */
  #decrypt(phone, body) {
    const { ecdh, auth } = this.#phones.get(phone);
    const [salt, sender, record] = [body.subarray(0, 16), body.subarray(21, 21 + ORDER), body.subarray(21 + ORDER)];
    const derive = (from, salted, info, length) => Buffer.from(hkdfSync('sha256', from, salted, info, length));
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), ecdh.getPublicKey(), sender]);
    const material = derive(ecdh.computeSecret(sender), auth, info, 32);
    const decipher = createDecipheriv('aes-128-gcm', derive(material, salt, 'Content-Encoding: aes128gcm\0', 16), derive(material, salt, 'Content-Encoding: nonce\0', 12));
    decipher.setAuthTag(record.subarray(-16));
    const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
    return padded.subarray(0, padded.lastIndexOf(2)).toString();
  }
}

/** Runs in every page before the app: this browser has no push service, so it gets this one. */
export function givePush(given) {
  const decode = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0)).buffer;
  const make = (applicationServerKey) => ({
    options: { applicationServerKey: decode(applicationServerKey), userVisibleOnly: true },
    toJSON: () => ({ ...given, expirationTime: null }),
    unsubscribe: async () => (localStorage.removeItem('test-push'), true),
  });
  PushManager.prototype.subscribe = async function ({ applicationServerKey }) {
    localStorage.setItem('test-push', applicationServerKey);
    return make(applicationServerKey);
  };
  PushManager.prototype.getSubscription = async function () {
    const key = localStorage.getItem('test-push');
    return key ? make(key) : null;
  };
}
