// A door made of a browser page: a moving test picture and a tone, offered to whoever looks, as the real door does it.

/* global document, WebSocket, RTCPeerConnection, AudioContext, location, fetch */

/** Runs inside the page. */
function install([uid, hue]) {
  const peers = new Map();
  let next = 1;
  const canvas = document.querySelector('canvas');
  const pen = canvas.getContext('2d');
  let frame = 0;
  // Somebody in front of a door, so that screenshots show what a resident would see.
  setInterval(() => {
    frame += 1;
    const sky = pen.createLinearGradient(0, 0, 0, 480);
    sky.addColorStop(0, `hsl(${hue} 45% 78%)`);
    sky.addColorStop(1, `hsl(${hue + 20} 25% 42%)`);
    pen.fillStyle = sky;
    pen.fillRect(0, 0, 640, 480);
    pen.fillStyle = `hsl(${hue + 150} 18% 30%)`;
    pen.fillRect(60, 90, 130, 390);
    pen.fillStyle = '#d8b48a';
    const sway = Math.sin(frame / 20) * 8;
    pen.beginPath();
    pen.arc(380 + sway, 190, 72, 0, 7);
    pen.fill();
    pen.fillStyle = '#36424f';
    pen.beginPath();
    pen.ellipse(380 + sway / 2, 450, 160, 190, 0, 0, 7);
    pen.fill();
    pen.fillStyle = '#4a3426';
    pen.beginPath();
    pen.arc(380 + sway, 165, 74, Math.PI, 0);
    pen.fill();
    pen.fillStyle = '#fff';
    pen.font = '20px monospace';
    pen.fillText(`frame ${frame}`, 16, 464);
  }, 40);
  const context = new AudioContext();
  const tone = context.createOscillator();
  tone.frequency.value = 440;
  const sound = context.createMediaStreamDestination();
  tone.connect(sound);
  tone.start();
  const picture = canvas.captureStream(25);

  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/v1/events');
  const send = (value) => socket.send(JSON.stringify(value));
  const ready = new Promise((resolve) => {
    socket.onopen = () => send({ type: 'hello', protocol: 1, credential: uid, seen: [] });
    socket.onmessage = async (message) => {
      const frame = JSON.parse(message.data);
      if (frame.type === 'welcome') resolve();
      if (frame.type === 'event') {
        const { event, sessionId } = frame;
        state.events.push(event.name);
        state.last = sessionId;
        if (event.name === 'incomingCallReceived' && state.autoAnswer) await verb(`/v1/calls/${sessionId}/accept`, {});
        if (event.name === 'callViewed') await offer(sessionId, event.viewer.deviceId, false);
        // A participant whose connection is still up keeps it, as at the real door; a viewer gets another one.
        const isKept = () => peers.get(event.keeps)?.deviceId === event.participant.deviceId;
        if (event.name === 'participantJoined' && !isKept()) await offer(sessionId, event.participant.deviceId, true);
        if (event.name === 'outgoingCallAccepted') {
          for (const one of peers.values()) if (one.deviceId === event.by.deviceId) await one.open();
          for (const [peer, one] of peers) if (one.deviceId !== event.by.deviceId) (one.pc.close(), peers.delete(peer));
        }
        if (['callEnded', 'outgoingCallRejected', 'incomingCallCancelled'].includes(event.name)) hangUp();
      }
      if (frame.type === 'signal') {
        const one = peers.get(frame.peer);
        if (!one) return;
        if (frame.signal.kind === 'answer') await one.pc.setRemoteDescription({ type: 'answer', sdp: frame.signal.sdp });
        else await one.pc.addIceCandidate({ candidate: frame.signal.candidate, sdpMLineIndex: frame.signal.sdpMLineIndex });
      }
    };
  });

  function hangUp() {
    for (const one of peers.values()) one.pc.close();
    peers.clear();
  }

  async function offer(sessionId, deviceId, open) {
    for (const [peer, one] of peers) if (one.deviceId === deviceId) (one.pc.close(), peers.delete(peer));
    const peer = next++;
    const pc = new RTCPeerConnection();
    pc.addTransceiver(picture.getVideoTracks()[0], { direction: 'sendonly', streams: [picture] });
    const audio = pc.addTransceiver('audio', { direction: 'sendrecv' });
    const one = { pc, deviceId, open: () => audio.sender.replaceTrack(sound.stream.getAudioTracks()[0]) };
    peers.set(peer, one);
    if (open) await one.open();
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) {
        send({ type: 'signal', sessionId, deviceId, peer, signal: { kind: 'candidate', candidate: candidate.candidate, sdpMLineIndex: candidate.sdpMLineIndex } });
      }
    };
    await pc.setLocalDescription(await pc.createOffer());
    send({ type: 'signal', sessionId, deviceId, peer, signal: { kind: 'offer', sdp: pc.localDescription.sdp } });
  }

  async function verb(path, body) {
    const response = await fetch(path, {
      method: 'POST',
      headers: { Authorization: `Bearer ${uid}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ key: String(Math.random()).slice(2), ...body }),
    });
    const answer = await response.json();
    if (answer.call) state.last = answer.call.sessionId;
    return answer;
  }

  async function heard() {
    let packets = 0;
    for (const { pc } of peers.values()) {
      for (const report of (await pc.getStats()).values()) {
        if (report.type === 'inbound-rtp' && report.kind === 'audio') packets += report.packetsReceived;
      }
    }
    return packets;
  }

  const state = { events: [], last: null, autoAnswer: false, peers, offer, verb, heard, ready };
  globalThis.door = state;
  return ready;
}

export class FakeDoor {
  static async start(context, hub, uid = 'door-1', hue = 200) {
    const page = await context.newPage();
    await page.goto(`${hub.address}/fake-door.html`);
    await page.evaluate(install, [uid, hue]);
    return Object.assign(new FakeDoor(), { page });
  }

  press(buttonLabel = 'Family Berg', doorName = 'Main entrance') {
    return this.page.evaluate(
      (metadata) => globalThis.door.verb('/v1/calls', { receiverType: 'group', receiver: 'flat-1', type: 'video', metadata }),
      { doorName, button: 'flat-1', buttonLabel },
    );
  }

  verb(name, body = {}) {
    return this.page.evaluate(([verb, body]) => globalThis.door.verb(`/v1/calls/${globalThis.door.last}/${verb}`, body), [name, body]);
  }

  /** Packets of residents' sound that reached the door. */
  heard() {
    return this.page.evaluate(() => globalThis.door.heard());
  }

  autoAnswer() {
    return this.page.evaluate(() => void (globalThis.door.autoAnswer = true));
  }
}
