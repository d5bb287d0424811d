// The residents' app, screen by screen, in a real browser with a door made of another page.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { FakeDoor } from './fake-door.js';
import { FakeHub } from './fake-hub.js';
import { DESKTOP, expectNoFaults, launch, resident, screenshot, until } from './lib.js';

let browser;
let hub;
let residents;
before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  hub = await new FakeHub().start();
  residents = [];
});
afterEach(async () => {
  try {
    expectNoFaults(...residents);
  } finally {
    for (const context of browser.contexts()) await context.close();
    await hub.stop();
  }
});

async function paired(uid, name, options = {}) {
  const code = `CODE-${uid}-${residents.length}`;
  hub.addCode(code, uid, name);
  const one = await resident(browser, hub.address, { path: `/#pair=${code}`, ...options });
  residents.push(one);
  await one.page.getByText('Main entrance').first().waitFor();
  return one;
}

const door = async (uid, hue) => FakeDoor.start(await browser.newContext(), hub, uid, hue);
const button = (page, name) => page.getByRole('button', { name, exact: true });
const phase = (page, at) => page.locator(`.call[data-phase="${at}"]`).waitFor();
const seesPicture = (page) => page.locator('.stage-frame.shown:not(.stale)').waitFor();
const frames = (page) => page.evaluate(() => document.querySelector('.stage-frame video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0);

/** Anna talks with the visitor at the main entrance. */
async function conversation() {
  const { page } = await paired('anna', 'Anna Berg');
  const station = await door();
  await station.press();
  await seesPicture(page);
  await button(page, 'Answer').click();
  await phase(page, 'talking');
  return { page, station };
}

test('pairing by hand: a wrong code is said in words, a right one leads home', async () => {
  const one = await resident(browser, hub.address);
  residents.push(one);
  const { page } = one;
  await page.getByLabel('Pairing code').fill('WRONG');
  await screenshot(page, 'pairing');
  await button(page, 'Pair this device').click();
  await page.getByText('This code is wrong, used or too old').waitFor();
  await screenshot(page, 'pairing-refused');
  hub.addCode('GOOD-1', 'anna', 'Anna Berg');
  await page.getByLabel('Pairing code').fill('GOOD-1');
  await button(page, 'Pair this device').click();
  await page.getByText('All quiet at the door').waitFor();
  await page.getByText('Connected', { exact: true }).waitFor();
  await screenshot(page, 'home');
});

test('ring, look, answer, talk, hang up', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  assert.equal(new URL(page.url()).hash, '', 'the code does not stay in the address');
  const station = await door();
  await station.press();
  await phase(page, 'ringing');
  await seesPicture(page);
  await page.getByText('Your microphone is off').waitFor();
  await screenshot(page, 'ringing');
  const before = await frames(page);
  await until('more frames', async () => (await frames(page)) > before + 10);
  assert.equal(await station.heard(), 0, 'no sound before the answer');
  await button(page, 'Answer').click();
  await phase(page, 'talking');
  await until('the door hears the resident', async () => (await station.heard()) > 20);
  await page.getByText('Good connection').waitFor();
  await screenshot(page, 'talking');
  await button(page, 'Mute').click();
  await button(page, 'Muted').waitFor();
  await screenshot(page, 'talking-muted');
  await button(page, 'Hang up').click();
  await page.getByText('All quiet at the door').waitFor();
  await page.getByText('Answered', { exact: false }).first().waitFor();
});

test('answered elsewhere, then the door hangs up', async () => {
  const anna = await paired('anna', 'Anna Berg');
  const ben = await paired('ben', 'Ben Berg', { colorScheme: 'dark', locale: 'de-DE' });
  const station = await door();
  await station.press();
  await Promise.all([seesPicture(anna.page), seesPicture(ben.page)]);
  await screenshot(ben.page, 'ringing-german');
  await button(anna.page, 'Answer').click();
  await phase(anna.page, 'talking');
  await ben.page.getByText('Anna Berg hat angenommen').waitFor();
  await screenshot(ben.page, 'answered-elsewhere');
  await ben.page.getByText('Niemand an der Tür').waitFor();
  await screenshot(ben.page, 'home-dark');
  await station.verb('end');
  await anna.page.getByText('The visitor hung up.').waitFor();
  await screenshot(anna.page, 'ended');
});

test('declined; cancelled by the visitor; missed', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const station = await door();
  await station.press();
  await seesPicture(page);
  await button(page, 'Decline').click();
  await page.getByText('All quiet at the door').waitFor();
  await station.verb('reject', { status: 'cancelled' });
  await station.press();
  await phase(page, 'ringing');
  await station.verb('reject', { status: 'cancelled' });
  await page.getByText('The visitor stopped ringing').waitFor();
  await screenshot(page, 'withdrawn');
  await page.getByText('All quiet at the door').waitFor();
  await station.press();
  await phase(page, 'ringing');
  hub.finish([...hub.calls.values()].at(-1), 'unanswered');
  await page.getByText('Nobody answered.').waitFor();
  await screenshot(page, 'missed');
  await page.getByText('All quiet at the door').waitFor();
  await page.getByRole('link', { name: 'Calls' }).click();
  await page.getByText('Missed').waitFor();
  await screenshot(page, 'history');
});

test('a second door while talking: call waiting, hang up and answer; a press on another button', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const station = await door();
  const gate = await door('door-2', 100);
  await station.press();
  await seesPicture(page);
  await button(page, 'Answer').click();
  await phase(page, 'talking');
  await station.verb('press-waiting', { metadata: { button: 'flat-2', buttonLabel: 'Parcel' } });
  await page.getByText('Another visitor pressed “Parcel”').waitFor();
  await screenshot(page, 'press-waiting');
  await button(page, 'Close').click();
  await gate.press('Family Berg', 'Garden gate');
  await page.getByText('Also ringing: Garden gate').waitFor();
  await page.locator('.banner video').waitFor();
  await screenshot(page, 'call-waiting');
  await button(page, 'Hang up and answer').click();
  await page.getByRole('heading', { name: 'Garden gate' }).waitFor();
  await phase(page, 'talking');
  await until('the other door hears the resident', async () => (await gate.heard()) > 20);
});

test('two doors ring at once: one can look at the other', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const [station, gate] = [await door(), await door('door-2', 100)];
  await station.press();
  await gate.press('Family Berg', 'Garden gate');
  await page.getByText('Also ringing: Garden gate').waitFor();
  await page.locator('.banner video').waitFor();
  await screenshot(page, 'two-rings');
  await button(page, 'Show').click();
  await page.getByRole('heading', { name: 'Garden gate' }).waitFor();
  await seesPicture(page);
});

test('calling the door, cancelling, and being answered', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const station = await door();
  await page.getByRole('button', { name: 'Call Main entrance' }).click();
  await phase(page, 'calling');
  await screenshot(page, 'calling');
  await button(page, 'Cancel').click();
  await page.getByText('All quiet at the door').waitFor();
  await station.autoAnswer();
  await page.getByRole('button', { name: 'Call Main entrance' }).click();
  await phase(page, 'talking');
  await seesPicture(page);
  await until('the door hears the resident', async () => (await station.heard()) > 20);
});

test('a reload while it rings and during the call resumes', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const station = await door();
  await station.press();
  await seesPicture(page);
  await page.reload();
  await phase(page, 'ringing');
  await seesPicture(page);
  await button(page, 'Answer').click();
  await until('the door hears the resident', async () => (await station.heard()) > 20);
  await page.reload();
  await phase(page, 'talking');
  await seesPicture(page);
  await until('the door hears the resident again', async () => (await station.heard()) > 20);
});

test('a hang-up that arrives after the page was loaded anew ends the call there too', async () => {
  const { page } = await conversation();
  await page.reload();
  await phase(page, 'talking');
  await seesPicture(page);
  const call = [...hub.calls.values()].at(-1);
  hub.finish(call, 'ended', call.participants[0].deviceId);
  await phase(page, 'over');
  await page.getByText('All quiet at the door').waitFor();
});

test('older news of an answer or a refusal elsewhere does not end a call that this device joined', async () => {
  const { page, station } = await conversation();
  const call = [...hub.calls.values()].at(-1);
  const { deviceId } = call.participants[0];
  const before = { ...structuredClone(call), entry: 1, participants: [] };
  for (const name of ['callAnsweredElsewhere', 'incomingCallCancelled']) {
    hub.send(deviceId, { type: 'event', sessionId: call.sessionId, entry: 1, event: { name, call: before } });
  }
  // What the hub says afterwards is heard after it.
  await station.verb('press-waiting', { metadata: { button: 'flat-2', buttonLabel: 'Parcel' } });
  await page.getByText('Parcel').waitFor();
  await phase(page, 'talking');
});

test('the list of calls turns back page by page', async () => {
  const began = Date.UTC(2026, 0, 1);
  hub.past = Array.from({ length: 120 }, (_, n) => ({
    sessionId: `past-${n}`, type: 'video', status: 'unanswered', initiator: { uid: 'door-1', deviceId: 'door-1', name: 'Main entrance' },
    receiverType: 'group', receiver: 'flat-1', receiverName: 'Family Berg', door: 'door-1',
    // Two and two in one millisecond.
    initiatedAt: began + Math.floor(n / 2) * 3_600_000, participants: [], metadata: {}, entry: 3,
  }));
  const { page } = await paired('anna', 'Anna Berg');
  await page.getByRole('link', { name: 'Calls' }).click();
  const rows = page.locator('.history .row');
  const earlier = page.getByRole('button', { name: 'Earlier calls' });
  await until('the latest fifty', async () => (await rows.count()) === 50);
  await earlier.click();
  await until('the page before', async () => (await rows.count()) > 90);
  await earlier.click();
  await until('the first of all', async () => (await rows.count()) === 120);
  await screenshot(page, 'history-earlier');
  await until('nothing earlier', async () => !(await earlier.isVisible()));
});

test('the connection to the hub is lost and comes back: while it rings, and during the call, where the picture goes on', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const station = await door();
  await station.press();
  await seesPicture(page);
  const hellos = () => hub.log.filter((line) => line.includes('hello')).length;
  const loseHub = async () => {
    const known = hellos();
    for (const socket of hub.sockets.get('dev-2')) socket.terminate();
    await until('a new hello', () => hellos() > known);
    await seesPicture(page);
  };
  await loseHub();
  await button(page, 'Answer').click();
  await phase(page, 'talking');
  await until('the door hears the resident', async () => (await station.heard()) > 20);
  await page.evaluate(() => (globalThis.kept = document.querySelector('.stage-frame video').srcObject));
  await loseHub();
  const shown = await frames(page);
  await until('more frames', async () => (await frames(page)) > shown + 10);
  assert.equal(await page.evaluate(() => globalThis.kept === document.querySelector('.stage-frame video').srcObject), true);
  await station.verb('end');
  await page.getByText('The visitor hung up.').waitFor();
});

test('an answer of the hub that gets lost has no second effect', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const station = await door();
  await station.press();
  await seesPicture(page);
  hub.loseAnswers = true;
  await button(page, 'Answer').click();
  await phase(page, 'talking');
  await until('the door hears the resident', async () => (await station.heard()) > 20);
  const accepts = hub.log.filter((line) => line.includes('/accept'));
  assert.ok(accepts.length >= 2, 'asked again');
  assert.equal(new Set(accepts).size, 1, 'under one key');
});

test('without a hub it says so, and comes back by itself', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  const port = Number(new URL(hub.address).port);
  await hub.stop();
  await page.getByRole('heading', { name: 'No connection' }).waitFor();
  await screenshot(page, 'offline');
  hub.server.listen(port, '127.0.0.1');
  await page.getByText('All quiet at the door').waitFor({ timeout: 20_000 });
});

test('a device that was revoked says so and asks for a code', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  hub.credentials.clear();
  hub.dropSockets();
  await page.getByText('This device is no longer paired with the house').waitFor();
  await screenshot(page, 'revoked');
});

test('settings: language at once, unpairing', async () => {
  const { page } = await paired('anna', 'Anna Berg', { colorScheme: 'dark' });
  await page.getByRole('link', { name: 'Settings' }).click();
  await screenshot(page, 'settings-dark');
  await page.getByLabel('Language').selectOption('de');
  await page.getByText('Klingelton', { exact: true }).waitFor();
  await button(page, 'Entkoppeln').first().click();
  await page.getByText('Wirklich entkoppeln?').waitFor();
  const credentials = hub.credentials.size;
  await button(page, 'Entkoppeln').last().click();
  await page.getByText('Willkommen').waitFor();
  await page.getByText('Dieses Gerät ist entkoppelt.').first().waitFor();
  assert.equal(hub.credentials.size, credentials - 1, 'the hub was told');
  await screenshot(page, 'unpaired-dark');
});

async function unpair(page) {
  await page.getByRole('link', { name: 'Settings' }).click();
  await button(page, 'Unpair').first().click();
  await button(page, 'Unpair').last().click();
}

test('settings: do not disturb, and quiet hours, for all devices of the resident', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByLabel('Do not disturb').selectOption('Until I turn it off');
  await page.getByText('Kept, for all your devices.').waitFor();
  assert.deepEqual(hub.rules.get('anna'), { doNotDisturb: true });
  await page.getByLabel('Quiet hours every day').check();
  await page.getByLabel('Quiet from').fill('21:30');
  await until('the hub has the hours', () => hub.rules.get('anna').quietHours?.from === '21:30');
  await screenshot(page, 'settings-rules');
  await page.getByLabel('Do not disturb').selectOption('For an hour');
  await until('the hub has the end', () => hub.rules.get('anna').doNotDisturbUntil > Date.now());
  const second = await paired('anna', 'Anna Berg');
  await second.page.getByRole('link', { name: 'Settings' }).click();
  await until('her other device shows it', async () => /^Until /.test(await second.page.getByLabel('Do not disturb').locator('option:checked').innerText()));
  assert.equal(await second.page.getByLabel('Quiet from').inputValue(), '21:30');
  await second.page.getByLabel('Do not disturb').selectOption('Off');
  await until('it is off', () => hub.rules.get('anna').doNotDisturb === false);
});

test('a tablet on the wall: kept awake, dark while nobody is there, bright and loud when it rings', async () => {
  // A minute without a touch takes a second here, and what keeps the screen on is counted.
  const prepare = (context) => context.addInitScript(() => {
    const { setTimeout: wait } = globalThis;
    globalThis.setTimeout = (work, delay, ...more) => wait(work, delay === 60_000 ? 1_000 : delay, ...more);
    globalThis.locks = [];
    Object.defineProperty(navigator, 'wakeLock', { value: { request: async (kind) => {
      const lock = { kind, released: false, release: async () => void (lock.released = true) };
      globalThis.locks.push(lock);
      return lock;
    } } });
  });
  const { page } = await paired('anna', 'Anna Berg', { viewport: DESKTOP, prepare });
  const held = () => page.evaluate(() => globalThis.locks.filter(({ released }) => !released).map(({ kind }) => kind));
  const rests = () => page.evaluate(() => document.body.hasAttribute('data-resting'));
  await page.getByRole('link', { name: 'Settings' }).click();
  assert.deepEqual(await held(), []);
  await page.getByLabel('Indoor station').check();
  await until('the screen is kept on', async () => (await held()).join() === 'screen');
  assert.equal(await page.evaluate(() => Boolean(document.fullscreenElement)), true);
  assert.equal(await page.getByLabel('Ring volume').isDisabled(), true, 'it is as loud as it can be');
  await until('it rests', rests);
  await screenshot(page, 'wall-resting');
  await page.mouse.click(600, 20);
  assert.equal(await rests(), false, 'a touch wakes it');
  await until('it rests again', rests);
  await page.evaluate(() => (location.hash = ''));
  const station = await door();
  await station.press();
  await phase(page, 'ringing');
  assert.equal(await rests(), false, 'a ring wakes it');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  assert.equal(await rests(), false, 'for as long as it rings');
  await station.verb('reject', { status: 'cancelled' });
  await page.getByText('All quiet at the door').waitFor();
  await until('it rests after the call', rests);
  assert.deepEqual(await held(), ['screen']);
  await page.evaluate(() => (location.hash = '#settings'));
  await page.getByLabel('Indoor station').uncheck();
  await until('the screen may go dark', async () => (await held()).length === 0);
});

test('unpairing without the hub: said in words, and forgotten here all the same', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  hub.refuse = { status: 503, code: 'ERR_UNAVAILABLE' };
  await unpair(page);
  await page.getByRole('alert').getByText('Ask the administrator of the house to revoke it').waitFor();
  await screenshot(page, 'unpaired-here-only');
  hub.refuse = null;
  await page.reload();
  await page.getByText('Welcome').waitFor();
});

test('unpairing, and the answer gets lost: it is done', async () => {
  const { page } = await paired('anna', 'Anna Berg');
  hub.loseAnswers = true;
  await unpair(page);
  await page.getByText('This device is unpaired.').first().waitFor();
});

test('a second tab does not take the calls unasked', async () => {
  const { context } = await paired('anna', 'Anna Berg');
  const second = await context.newPage();
  await second.goto(hub.address);
  await second.getByText('open in another tab').waitFor();
  await screenshot(second, 'second-tab');
  await button(second, 'Use it here').click();
  await second.getByText('All quiet at the door').waitFor();
});

test('on a desk, light and dark', async () => {
  const station = await door();
  for (const colorScheme of ['light', 'dark']) {
    const { page, close } = await paired('anna', 'Anna Berg', { viewport: DESKTOP, colorScheme });
    await screenshot(page, `desk-home-${colorScheme}`);
    await station.press();
    await seesPicture(page);
    await screenshot(page, `desk-ringing-${colorScheme}`);
    await button(page, 'Answer').click();
    await phase(page, 'talking');
    await page.getByText('Good connection').waitFor();
    await screenshot(page, `desk-talking-${colorScheme}`);
    await button(page, 'Hang up').click();
    await page.getByText('All quiet at the door').waitFor();
    await close();
  }
});
