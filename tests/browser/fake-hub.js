// A small hub that speaks the protocol, for tests of the app alone: one family, two doors, no rules beyond what a screen needs.
// The rules themselves are tested against the real hub.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';

const APP = new URL('../../app/', import.meta.url).pathname;
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};
const TERMINAL = ['ended', 'rejected', 'busy', 'cancelled', 'unanswered'];
const id = () => randomBytes(16).toString('hex');

export class FakeHub {
  devices = new Map([
    ['door-1', { uid: 'door-1', name: 'Main entrance', door: true }],
    ['door-2', { uid: 'door-2', name: 'Garden gate', door: true }],
  ]);
  codes = new Map();
  credentials = new Map([['door-1', 'door-1'], ['door-2', 'door-2']]);
  sockets = new Map();
  calls = new Map();
  /** Calls of former days, the oldest first. */
  past = [];
  sessions = new Map();
  answers = new Map();
  log = [];
  /** Set to make every verb fail once per key, after it took effect: the answer is lost. */
  loseAnswers = false;
  refuse = null;
  rules = new Map();
  ringsFor = 45_000;

  async start() {
    this.server = createServer((request, response) => this.#http(request, response));
    this.wss = new WebSocketServer({ server: this.server, path: '/v1/events' });
    this.wss.on('connection', (socket) => this.#socket(socket));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async stop() {
    this.dropSockets();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  dropSockets() {
    for (const socket of this.wss.clients) socket.terminate();
  }

  addCode(code, uid, name) {
    this.codes.set(code, { uid, name });
  }

  // -------------------------------------------------------------------------------------------------------------- REST

  async #http(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.address);
    if (!pathname.startsWith('/v1/')) return this.#file(pathname, response);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
    const device = this.credentials.get((request.headers.authorization ?? '').replace('Bearer ', ''));
    const say = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(value === undefined ? '' : JSON.stringify(value));
    };
    const refuse = (status, code, call) => say(status, { error: { code, message: code, details: call ? { call } : {} } });
    this.log.push(`${request.method} ${pathname} ${body.key ?? ''}`);
    if (this.refuse) return refuse(this.refuse.status, this.refuse.code);
    if (pathname === '/v1/pair') return this.#pair(body, say, refuse);
    if (!device) return refuse(401, 'ERR_UNAUTHORIZED');
    const self = this.devices.get(device);
    if (pathname === '/v1/me') {
      return say(200, {
        uid: self.uid, name: self.name, deviceId: device, groups: [{ guid: 'flat-1', name: 'Family Berg' }],
        doors: [{ uid: 'door-1', name: 'Main entrance', online: true }, { uid: 'door-2', name: 'Garden gate', online: false }],
      });
    }
    if (pathname === '/v1/me/rules') {
      if (request.method === 'PUT') this.rules.set(self.uid, body);
      return say(200, this.rules.get(self.uid) ?? { doNotDisturb: false });
    }
    if (pathname === '/v1/me/device/push') return request.method === 'GET' ? say(200, { subscribed: false }) : say(204);
    if (pathname === '/v1/me/device' && request.method === 'DELETE') {
      for (const [credential, owner] of this.credentials) if (owner === device) this.credentials.delete(credential);
      return this.loseAnswers ? request.socket.destroy() : say(204);
    }
    if (pathname === '/v1/calls' && request.method === 'GET') {
      const over = [...this.past, ...this.calls.values()].filter((c) => TERMINAL.includes(c.status)).reverse();
      const [before, limit] = [searchParams.get('before') ?? Infinity, searchParams.get('limit') ?? 100];
      return say(200, { calls: over.filter((c) => c.initiatedAt < before).slice(0, limit) });
    }
    const known = this.answers.get(`${device} ${body.key}`);
    const answer = known ?? this.#verb(device, self, pathname, body);
    this.answers.set(`${device} ${body.key}`, answer);
    if (this.loseAnswers && !known) return request.socket.destroy();
    if (answer.code) return refuse(answer.status, answer.code, answer.call);
    return say(200, answer.token ? answer.token : { call: answer.call });
  }

  #pair({ code, deviceName }, say, refuse) {
    const owner = this.codes.get(code);
    if (!owner) return refuse(410, 'ERR_PAIRING_CODE_INVALID');
    this.codes.delete(code);
    const deviceId = `dev-${this.devices.size}`;
    const credential = id();
    this.devices.set(deviceId, { ...owner, deviceName, door: false });
    this.credentials.set(credential, deviceId);
    return say(200, { credential, uid: owner.uid, deviceId });
  }

  #leg(device) {
    const { uid, name } = this.devices.get(device);
    return { uid, deviceId: device, name };
  }

  #others(call) {
    return [...this.devices].filter(([, d]) => (call.receiverType === 'group' ? !d.door : d.uid === call.receiver)).map(([d]) => d);
  }

  #deliver(to, call, event) {
    for (const device of to) this.send(device, { type: 'event', sessionId: call.sessionId, entry: call.entry, event });
  }

  send(device, frame) {
    for (const socket of this.sockets.get(device) ?? []) socket.send(JSON.stringify(frame));
  }

  #verb(device, self, pathname, body) {
    if (pathname === '/v1/calls') return this.#initiate(device, self, body);
    const [, , , sessionId, verb] = pathname.split('/');
    const call = this.calls.get(sessionId);
    if (!call) return { status: 404, code: 'ERR_CALL_SESSION_NOT_FOUND' };
    if (verb === 'token') {
      if (TERMINAL.includes(call.status)) return { status: 409, code: 'ERR_CALL_TERMINATED', call };
      return { token: { token: `t-${sessionId}-${device}`, role: this.#role(call, device), expiresIn: 60, iceServers: [] } };
    }
    if (TERMINAL.includes(call.status)) return { status: 409, code: 'ERR_CALL_TERMINATED', call };
    call.entry += 1;
    const leg = this.#leg(device);
    const rang = this.#others(call);
    if (verb === 'accept') {
      if (call.status === 'ongoing') return { status: 409, code: 'ERR_CALL_ANSWERED_ELSEWHERE', call };
      call.status = 'ongoing';
      call.startedAt = Date.now();
      call.participants.push({ ...leg, state: 'ongoing', joinedAt: Date.now() });
      this.#deliver([call.initiator.deviceId], call, { name: 'outgoingCallAccepted', call, by: leg });
      this.#deliver(rang.filter((d) => d !== device), call, { name: 'callAnsweredElsewhere', call });
      this.#revoke(call, rang.filter((d) => d !== device));
    } else if (verb === 'reject') {
      if (call.status === 'ongoing') return { status: 409, code: 'ERR_CALL_ONGOING_TO_INVALID', call };
      call.participants.push({ ...leg, state: body.status === 'busy' ? 'busy' : 'rejected' });
      if (body.status === 'cancelled') this.finish(call, 'cancelled');
      else if (call.receiverType === 'user') this.finish(call, body.status);
      else this.#deliver(rang.filter((d) => d !== device && this.devices.get(d).uid === leg.uid), call, { name: 'incomingCallCancelled', call: { ...call, status: 'rejected' } });
    } else if (verb === 'end') {
      call.endReason = self.door ? 'doorHungUp' : 'residentHungUp';
      call.duration = Math.round((Date.now() - call.startedAt) / 1000);
      this.finish(call, 'ended');
    } else if (verb === 'press-waiting') {
      this.#deliver(call.participants.map((p) => p.deviceId), call, { name: 'pressWaiting', metadata: body.metadata });
    }
    return { call: structuredClone(call) };
  }

  #role(call, device) {
    if (this.devices.get(device).door) return 'door';
    const inside = call.participants.some((p) => p.deviceId === device && p.state === 'ongoing');
    return inside || (call.status === 'ongoing' && call.initiator.deviceId === device) ? 'participant' : 'viewer';
  }

  #initiate(device, self, { receiver, receiverType, type, metadata = {} }) {
    const call = {
      sessionId: id(), type, status: 'initiated', initiator: this.#leg(device), receiverType, receiver,
      receiverName: receiverType === 'group' ? 'Family Berg' : this.devices.get(receiver)?.name ?? receiver,
      door: self.door ? self.uid : receiver, initiatedAt: Date.now(), participants: [], metadata, entry: 1,
    };
    this.calls.set(call.sessionId, call);
    const to = this.#others(call);
    const busy = [...this.calls.values()].some((c) => c !== call && c.status === 'ongoing');
    this.#deliver(to, call, { name: 'incomingCallReceived', call, ringsFor: this.ringsFor, waiting: busy });
    return { call: structuredClone(call) };
  }

  /** `silent`: a device that is not told, for it ended the call itself. */
  finish(call, status, silent = null) {
    // An entry of its own, as in the real hub's log: with the number of the ring it would be taken for the ring again.
    call.entry += 1;
    call.status = status;
    call.endedAt = Date.now();
    for (const p of call.participants) if (p.state === 'ongoing') Object.assign(p, { state: 'ended', leftAt: Date.now() });
    const everybody = [call.initiator.deviceId, ...this.#others(call)];
    for (const device of everybody.filter((one) => one !== silent)) {
      const name = status === 'ended' ? 'callEnded' : device === call.initiator.deviceId ? 'outgoingCallRejected' : 'incomingCallCancelled';
      this.#deliver([device], call, { name, call });
    }
    this.#revoke(call, everybody);
  }

  #revoke(call, devices) {
    for (const device of devices) {
      if (this.sessions.delete(`${call.sessionId} ${device}`)) this.send(device, { type: 'sessionEnded', sessionId: call.sessionId });
    }
  }

  // ------------------------------------------------------------------------------------------------------------ socket

  #socket(socket) {
    let device = null;
    socket.on('close', () => this.sockets.get(device)?.delete(socket));
    socket.on('message', (data) => {
      const frame = JSON.parse(data);
      this.log.push(`${device} ${frame.type} ${frame.signal?.kind ?? ''}`);
      if (frame.type === 'hello') {
        device = this.credentials.get(frame.credential) ?? null;
        if (!device) {
          socket.send(JSON.stringify({ type: 'refused', error: { code: 'ERR_UNAUTHORIZED', message: 'unknown' } }));
          return socket.close();
        }
        if (!this.sockets.has(device)) this.sockets.set(device, new Set());
        this.sockets.get(device).add(socket);
        return this.#welcome(device, frame, socket);
      }
      if (frame.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }));
      const call = this.calls.get(frame.sessionId);
      if (!call) return;
      if (frame.type === 'acknowledge') {
        call.delivered ??= new Set();
        call.delivered.add(device);
      } else if (frame.type === 'startSession') this.#startSession(call, device, frame.keeps);
      else if (frame.type === 'endSession') this.#revoke(call, [device]);
      else if (frame.type === 'signal') this.#relay(call, device, frame);
    });
  }

  #welcome(device, hello, socket) {
    const self = this.devices.get(device);
    const calls = [...this.calls.values()].filter((call) => {
      if (TERMINAL.includes(call.status)) return false;
      if (call.initiator.deviceId === device) return true;
      const part = call.participants.find((p) => p.uid === self.uid);
      if (part) return part.deviceId === device && part.state === 'ongoing';
      return call.status === 'initiated' && this.#others(call).includes(device);
    });
    socket.send(JSON.stringify({
      type: 'welcome', protocol: 1, uid: self.uid, deviceId: device, heartbeat: 2_000, time: Date.now(), calls,
    }));
    for (const call of this.calls.values()) {
      const seen = hello.seen.find((one) => one.sessionId === call.sessionId);
      if (seen && seen.entry < call.entry && TERMINAL.includes(call.status)) {
        const name = call.status === 'ended' ? 'callEnded' : 'incomingCallCancelled';
        this.#deliver([device], call, { name, call });
      }
    }
  }

  #doorOf(call) {
    return [...this.devices].find(([, d]) => d.uid === call.door)[0];
  }

  #startSession(call, device, keeps) {
    const role = this.#role(call, device);
    this.sessions.set(`${call.sessionId} ${device}`, role);
    this.send(device, { type: 'sessionStarted', sessionId: call.sessionId, role });
    call.entry += 1;
    if (role === 'viewer') this.#deliver([this.#doorOf(call)], call, { name: 'callViewed', viewer: this.#leg(device) });
    if (role === 'participant') this.#deliver([this.#doorOf(call)], call, { name: 'participantJoined', participant: this.#leg(device), keeps });
  }

  #relay(call, from, { sessionId, deviceId, peer, signal }) {
    const to = from === this.#doorOf(call) ? deviceId : this.#doorOf(call);
    this.send(to, { type: 'signal', sessionId, deviceId: from, peer, signal });
  }

  // -------------------------------------------------------------------------------------------------------------- files

  async #file(pathname, response) {
    if (pathname === '/fake-door.html') {
      response.writeHead(200, { 'content-type': 'text/html' });
      return response.end('<!doctype html><title>door</title><canvas width=640 height=480></canvas>');
    }
    const path = normalize(pathname === '/' ? '/index.html' : pathname);
    try {
      const bytes = await readFile(join(APP, path));
      response.writeHead(200, {
        'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        'cache-control': 'no-cache',
      });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }
}
