// Consent, against a phone that does not keep to the rules: made by hand, it answers before it is offered anything, sends its
// microphone at once, and claims to be a participant. Until the hub says that it accepted, nobody hears anybody.

import assert from 'node:assert/strict';
import { PATIENCE } from './house.js';
import { until } from './lib.js';
import { converse, inHouse } from './stage.js';

const RUDE_HERTZ = 1_700;
const LOUD = -45;

/** Runs in a page of the hub, without the app. */
async function rush({ code, hertz }) {
  const post = async (path, body, credential) => {
    const headers = { 'Content-Type': 'application/json', ...(credential ? { Authorization: `Bearer ${credential}` } : {}) };
    const key = Math.random().toString(36).slice(2);
    return (await fetch(`/v1${path}`, { method: 'POST', headers, body: JSON.stringify({ key, ...body }) })).json();
  };
  const { credential, deviceId } = await post('/pair', { code, deviceName: 'Made by hand' });
  const context = new AudioContext();
  const tone = context.createOscillator();
  tone.frequency.value = hertz;
  const microphone = context.createMediaStreamDestination();
  tone.connect(microphone);
  tone.start();
  const [track] = microphone.stream.getAudioTracks();

  // A description that is as good as any, from two connections of its own.
  const [one, other] = [new RTCPeerConnection(), new RTCPeerConnection()];
  one.addTransceiver('video', { direction: 'sendonly' });
  one.addTransceiver('audio', { direction: 'sendrecv' });
  const offer = await one.createOffer();
  await other.setRemoteDescription(offer);
  other.getTransceivers()[1].sender.replaceTrack(track);
  const forged = (await other.createAnswer()).sdp;

  const rude = (globalThis.rude = { credential, deviceId, sessionId: null, connection: null });
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/v1/events`);
  const send = (frame) => socket.send(JSON.stringify(frame));
  const signal = (peer, it) => send({ type: 'signal', sessionId: rude.sessionId, peer, signal: it });
  const early = (peers) => {
    for (const peer of peers) {
      signal(peer, { kind: 'answer', sdp: forged });
      signal(peer, { kind: 'candidate', candidate: 'candidate:1 1 UDP 2122252543 127.0.0.1 9 typ host', sdpMLineIndex: 0 });
    }
  };
  rude.accept = () => post(`/calls/${rude.sessionId}/accept`, {}, credential);
  rude.measure = async () => {
    const sum = { sent: 0, received: 0, frames: 0 };
    for (const report of (await rude.connection?.getStats())?.values() ?? []) {
      if (report.type === 'outbound-rtp' && report.kind === 'audio') sum.sent += report.packetsSent;
      if (report.type === 'inbound-rtp' && report.kind === 'audio') sum.received += report.packetsReceived;
      if (report.type === 'inbound-rtp' && report.kind === 'video') sum.frames += report.framesDecoded ?? 0;
    }
    return sum;
  };
  setInterval(() => socket.readyState === WebSocket.OPEN && send({ type: 'ping' }), 1_000);

  async function answer(peer, sdp) {
    const connection = (rude.connection = new RTCPeerConnection());
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) signal(peer, { kind: 'candidate', candidate: candidate.candidate, sdpMLineIndex: candidate.sdpMLineIndex });
    };
    await connection.setRemoteDescription({ type: 'offer', sdp });
    const audio = connection.getTransceivers().find(({ receiver }) => receiver.track.kind === 'audio');
    audio.direction = 'sendrecv';
    await audio.sender.replaceTrack(track);
    await connection.setLocalDescription(await connection.createAnswer());
    signal(peer, { kind: 'answer', sdp: connection.localDescription.sdp });
    for (const candidate of waiting.get(peer) ?? []) await connection.addIceCandidate(candidate);
    waiting.delete(peer);
    rude.peer = peer;
  }

  const waiting = new Map();
  let work = Promise.resolve();
  await new Promise((resolve) => {
    socket.onopen = () => send({ type: 'hello', protocol: 1, credential, seen: [] });
    socket.onmessage = ({ data }) => {
      work = work.then(async () => {
        const frame = JSON.parse(data);
        if (frame.type === 'welcome') resolve();
        if (frame.type === 'event' && frame.event.name === 'incomingCallReceived') {
          rude.sessionId = frame.sessionId;
          send({ type: 'acknowledge', sessionId: frame.sessionId, entry: frame.entry });
          // Before it started the session, and before the door offered anything.
          early([0, 1, 2, 3, 50]);
          const { token } = await post(`/calls/${rude.sessionId}/token`, {}, credential);
          send({ type: 'startSession', sessionId: rude.sessionId, token, role: 'participant' });
          early([51, 52, 4_294_967_295]);
        }
        if (frame.type === 'signal' && frame.signal.kind === 'offer') await answer(frame.peer, frame.signal.sdp);
        if (frame.type === 'signal' && frame.signal.kind === 'candidate') {
          const candidate = { candidate: frame.signal.candidate, sdpMLineIndex: frame.signal.sdpMLineIndex };
          if (frame.peer === rude.peer) await rude.connection.addIceCandidate(candidate);
          else waiting.set(frame.peer, [...(waiting.get(frame.peer) ?? []), candidate]);
        }
      }).catch((error) => console.warn(String(error)));
    };
  });
}

async function rudePhone(house, browser, uid) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${house.address}/manifest.webmanifest`);
  const code = new URL(await house.invite(uid)).hash.replace('#pair=', '');
  await page.evaluate(rush, { code, hertz: RUDE_HERTZ });
  return { page, measure: () => page.evaluate(() => globalThis.rude.measure()), accept: () => page.evaluate(() => globalThis.rude.accept()) };
}

/** It sees, and sends sound for long enough to be heard if that were possible. */
async function talksToTheWall(rude) {
  await until('the picture at the rude phone', async () => (await rude.measure()).frames > 5, PATIENCE);
  const { sent } = await rude.measure();
  await until('sound sent by the rude phone', async () => (await rude.measure()).sent > sent + 150, PATIENCE);
}

inHouse('who sends before answering is not heard, and hears nothing', {}, async ({ house, panel, browser }) => {
  const rude = await rudePhone(house, browser, 'ben');
  await panel.press();
  await talksToTheWall(rude);
  const crossed = { fromTheDoor: (await rude.measure()).received, toTheDoor: panel.didHear(RUDE_HERTZ) };
  assert.deepEqual(crossed, { fromTheDoor: 0, toTheDoor: false });
  assert.match(panel.status, /^Ringing/);
  const { call } = await rude.accept();
  assert.equal(call.status, 'ongoing');
  await panel.stands('Ongoing');
  await panel.hears(RUDE_HERTZ, LOUD);
  await until('the door’s sound at the rude phone', async () => (await rude.measure()).received > 20, PATIENCE);
});

inHouse('while another talks, who did not answer is cut off', {}, async ({ house, panel, phone, browser }) => {
  const anna = await phone('anna');
  const rude = await rudePhone(house, browser, 'ben');
  await panel.press();
  await Promise.all([anna.sees(), talksToTheWall(rude)]);
  await anna.answer();
  await converse(panel, anna);
  const { received, frames } = await rude.measure();
  assert.equal(received, 0);
  await converse(panel, anna);
  const later = await rude.measure();
  assert.equal(later.received, 0, 'no sound of the door');
  assert.ok(later.frames <= frames + 15, `the picture stopped: ${frames}, then ${later.frames}`);
  assert.equal(panel.didHear(RUDE_HERTZ), false, 'no sound at the door');
  const { error } = await rude.accept();
  assert.equal(error.code, 'ERR_CALL_ANSWERED_ELSEWHERE');
  await converse(panel, anna);
  assert.equal(panel.didHear(RUDE_HERTZ), false, 'no sound at the door');
});
