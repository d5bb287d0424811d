// What a resident's browser has of a call: from looking to the first painted picture, from a tap on Answer to the first sound, with a
// worker that was just killed, one that stands ready, and the picture before answering. Beside it two connections of the same browser
// without a door. Prints one line of JSON per figure. `npm ci` in tests/browser brings what it needs besides Chromium.

import { House, PATIENCE, signal } from '../../tests/browser/house.js';
import { resident, until } from '../../tests/browser/lib.js';
import { Phone, launchWithVoice } from '../../tests/browser/phone.js';

const CALLS = 15;
/** Restarts take their time. */
const COLD_CALLS = 6;
const VIDEO = 'width = 640\nheight = 480\nframe-rate = 25\nbitrate = 800';

/** Runs in every page before anything else: when what arrives at a connection is seen and heard. */
function watch() {
  globalThis.arrivals = (connection) => {
    const at = {};
    connection.addEventListener('connectionstatechange', () => {
      if (connection.connectionState === 'connected') at.connected ??= performance.now();
    });
    connection.addEventListener('track', ({ track, receiver }) => {
      const player = Object.assign(document.createElement(track.kind), { autoplay: true, srcObject: new MediaStream([track]) });
      Object.assign(player.style, { position: 'fixed', inset: '0 auto auto 0', width: '64px', pointerEvents: 'none', zIndex: 9 });
      document.body.append(player);
      track.addEventListener('ended', () => player.remove());
      if (track.kind === 'video') {
        player.requestVideoFrameCallback(() => (at.picture ??= performance.now()));
      } else {
        // Its source is known as soon as a piece of its sound was played.
        const listen = () => {
          if (receiver.getSynchronizationSources().length > 0) at.sound ??= performance.now();
          else if (connection.connectionState !== 'closed') setTimeout(listen);
        };
        listen();
      }
    });
    return at;
  };
}

/** Runs in the app's page before the app. */
function watchCalls() {
  const call = (globalThis.call = {});
  globalThis.WebSocket = class extends WebSocket {
    constructor(...words) {
      super(...words);
      this.addEventListener('message', ({ data }) => {
        if (String(data).includes('"incomingCallReceived"')) call.rung ??= performance.now();
      });
    }
  };
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...words) {
      super(...words);
      call.at = globalThis.arrivals(this);
    }
  };
  addEventListener('click', () => (call.tapped = performance.now()), true);
}

/** Runs in a page: a call with itself, so often. */
async function callItself(times) {
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: plain, video: { width: 640, height: 480, frameRate: 25 } });
  const figures = { connected: [], picture: [], sound: [] };
  for (let number = 0; number < times; number += 1) {
    const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
    near.onicecandidate = ({ candidate }) => candidate && far.addIceCandidate(candidate);
    far.onicecandidate = ({ candidate }) => candidate && near.addIceCandidate(candidate);
    stream.getTracks().forEach((track) => near.addTrack(track, stream));
    const at = globalThis.arrivals(far);
    const begun = performance.now();
    const offer = await near.createOffer();
    await Promise.all([near.setLocalDescription(offer), far.setRemoteDescription(offer)]);
    const answer = await far.createAnswer();
    await Promise.all([far.setLocalDescription(answer), near.setRemoteDescription(answer)]);
    while (!(at.connected && at.picture && at.sound)) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const what of Object.keys(figures)) figures[what].push(at[what] - begun);
    [near, far].forEach((connection) => connection.close());
    document.querySelectorAll('video, audio').forEach((player) => player.remove());
  }
  stream.getTracks().forEach((track) => track.stop());
  return figures;
}

/** What a replaced connection left open is no figure. */
function print(what, milliseconds) {
  console.log(JSON.stringify({ what, milliseconds: milliseconds.filter(Number.isFinite) }));
}

/** Calls at a door with these settings, each looked at in the order that `live` has. One in which nothing comes is the last. */
async function atTheDoor(browser, door, times, live) {
  const house = await House.open({ door: { video: VIDEO, ...door } });
  const prepareMore = async (context) => {
    await context.addInitScript(watch);
    await context.addInitScript(watchCalls);
  };
  const phone = await Phone.pair(browser, house, 'anna', { prepareMore });
  const has = (what) => until(what, async () => Boolean((await phone.page.evaluate(() => globalThis.call.at))?.[what]), PATIENCE);
  try {
    for (let number = 0; number < times; number += 1) {
      await phone.page.evaluate(() => Object.assign(globalThis.call, { rung: undefined, at: {} }));
      await live({ house, phone, has, marks: () => phone.page.evaluate(() => globalThis.call) });
      await phone.tap('Hang up');
      await phone.isQuiet();
    }
  } catch (error) {
    console.log(`after so many calls one failed: ${error.message}`);
  } finally {
    await phone.context.close();
    // A busy machine makes errors that a test would mind.
    await house.close({ expected: [/./] });
  }
}

const browser = await launchWithVoice();
const look = { picture: [], sound: [] };
await atTheDoor(browser, {}, CALLS, async ({ house, phone, has, marks }) => {
  await house.panel.press();
  await has('picture');
  await phone.answer();
  await has('sound');
  const { rung, tapped, at } = await marks();
  look.picture.push(at.picture - rung);
  look.sound.push(at.sound - tapped);
});
print('early picture: ring to first painted picture', look.picture);
print('early picture: Answer to first sound', look.sound);

/** Nothing is connected before the answer. */
async function answered(kill, times) {
  const figures = { picture: [], sound: [] };
  await atTheDoor(browser, { call: 'early-picture = false' }, times, async ({ house, phone, has, marks }) => {
    if (kill) signal(await house.worker(), 'SIGKILL');
    await house.panel.press();
    await phone.answer();
    await has('picture');
    await has('sound');
    const { tapped, at } = await marks();
    figures.picture.push(at.picture - tapped);
    figures.sound.push(at.sound - tapped);
  });
  return figures;
}
for (const [state, kill, times] of [['warm worker', false, CALLS], ['cold worker', true, COLD_CALLS]]) {
  const { picture, sound } = await answered(kill, times);
  print(`${state}: Answer to first painted picture`, picture);
  print(`${state}: Answer to first sound`, sound);
}

// An empty page of this machine's own, which may use camera and microphone.
const { page, context } = await resident(browser, 'http://localhost', {
  permissions: ['microphone', 'camera'],
  prepare: async (context) => {
    await context.addInitScript(watch);
    await context.route('http://localhost/', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' }));
  },
});
const { connected, picture, sound } = await page.evaluate(callItself, CALLS);
print('with itself: offer to connected', connected);
print('with itself: offer to first painted picture', picture);
print('with itself: offer to first sound', sound);
await context.close();
await browser.close();
