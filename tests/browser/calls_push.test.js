// A phone whose app is closed is woken by push: the hub sends, a push service takes it, the browser's service worker shows it,
// and a tap answers. Real processes, real media, real pages, a real service worker; the push service is the tests' own.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { PATIENCE } from './house.js';
import { until } from './lib.js';
import { PushService, givePush } from './push-service.js';
import { converse, inHouse, isAllQuiet } from './stage.js';

const service = await PushService.open();
after(() => service.close());
const settings = { hub: { push: `contact = "mailto:you@your-house.net"\nservices = ["${service.address}"]` } };

/** A phone that is subscribed by its settings, and the way to its service worker. */
async function subscribed(phone, uid, name = uid) {
  const given = service.subscription(name);
  const one = await phone(uid, { prepareMore: (context) => context.addInitScript(givePush, given) });
  one.house.secrets.add(given.endpoint);
  await one.page.goto(`${one.house.address}/#settings`);
  await one.page.getByLabel('Ring while the app is closed').check();
  await one.reads('A notification comes when somebody rings');
  const [worker] = one.context.serviceWorkers();
  const cdp = await one.context.newCDPSession(one.page);
  return Object.assign(one, { name, worker, cdp });
}

/** The app is closed; its service worker is what is left of it. */
async function closeApp(one) {
  await one.cdp.detach();
  const idle = await one.context.newPage();
  one.cdp = await one.context.newCDPSession(idle);
  let registration;
  one.cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => (registration = registrations.find(({ scopeURL }) => scopeURL.startsWith(one.house.address)) ?? registration));
  await one.cdp.send('ServiceWorker.enable');
  await until('the registration of the service worker', () => registration, PATIENCE);
  one.registrationId = registration.registrationId;
  // A page that is being closed still takes what it is sent; from the moment that the hub knows, it does not.
  const gone = () => one.house.hub.lines.filter((line) => line.includes('switchboard: gone device_id')).length;
  const before = gone();
  await one.page.close();
  await until('the hub knows that the app is closed', () => gone() > before, PATIENCE);
  // The browser takes it from the worker's list of windows a little later.
  const windows = () => one.worker.evaluate(async () => (await self.clients.matchAll({ type: 'window', includeUncontrolled: true })).length);
  await until('the service worker knows it, too', async () => (await windows()) === 0, PATIENCE);
}

/** The push service hands a message over to the browser. */
async function deliver(one, message) {
  await one.cdp.send('ServiceWorker.deliverPushMessage', { origin: one.house.address, registrationId: one.registrationId, data: message.text });
}

/** What stands on the lock screen. */
function notifications(one) {
  return one.worker.evaluate(async () => (await self.registration.getNotifications()).map(({ title, body, tag, actions, silent }) => ({ title, body, tag, silent, actions: actions.map(({ action }) => action) })));
}

async function shows(one, what) {
  let shown;
  await until(`a notification at ${one.name}`, async () => (shown = await notifications(one)).some(what), PATIENCE).catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(shown)}`); });
  return shown.find(what);
}

/**
 * A tap on it. The browser lets only a real tap open a window: the worker's wish is written down, and carried out by the test.
 */
async function tap(one, action) {
  const wished = await one.worker.evaluate(async (action) => {
    let url = null;
    Object.defineProperty(self.clients, 'openWindow', { configurable: true, value: async (to) => void (url = to) });
    const [notification] = (await self.registration.getNotifications()).filter(({ actions }) => actions.length);
    const waiting = [];
    const event = new NotificationEvent('notificationclick', { notification, action });
    event.waitUntil = (promise) => waiting.push(promise);
    self.dispatchEvent(event);
    await Promise.all(waiting);
    return url;
  }, action);
  if (wished) {
    one.page = await one.context.newPage();
    one.page.setDefaultTimeout(PATIENCE);
    await one.page.goto(new URL(wished, `${one.house.address}/`).href);
  }
}

const rings = ({ actions }) => actions.includes('answer');

inHouse('a closed app is woken, Answer opens the call at once, and they hear each other', settings, async ({ house, panel, phone }) => {
  const anna = await subscribed(phone, 'anna');
  await closeApp(anna);
  await panel.press();
  const ring = await service.message('anna', 'ring');
  assert.ok(ring.ttl <= 45 && ring.ttl >= 30, `it lives as long as it rings: ${ring.ttl}`);
  assert.deepEqual(Object.keys(JSON.parse(ring.text)).sort(), ['door', 'kind', 'sessionId'], 'poor in content');
  await panel.stands('Ringing { delivered: 0, notified: 1, looking: 0 }');
  await deliver(anna, ring);
  const { title, body, actions } = await shows(anna, rings);
  assert.deepEqual({ title, body, actions }, { title: 'Front door is ringing', body: 'Tap to see who it is.', actions: ['answer', 'reject'] });
  // Again while it rings: still one.
  await deliver(anna, ring);
  assert.equal((await notifications(anna)).length, 1);
  await tap(anna, 'answer');
  await anna.stands('talking');
  assert.equal(new URL(anna.page.url()).hash, '', 'the address forgets it');
  await converse(panel, anna);
  assert.deepEqual(await notifications(anna), []);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna);
});

inHouse('answered elsewhere: the notification goes away by itself', settings, async ({ house, panel, phone }) => {
  const since = service.messages.length;
  const [anna, ben] = [await subscribed(phone, 'anna'), await phone('ben')];
  await closeApp(anna);
  await panel.press();
  const ring = await service.message('anna', 'ring', since);
  await deliver(anna, ring);
  await shows(anna, rings);
  await panel.stands('Ringing { delivered: 1, notified: 1');
  await ben.answer();
  const over = await service.message('anna', 'over', since);
  assert.equal(over.topic, ring.topic);
  await deliver(anna, over);
  const { title, silent } = await shows(anna, (one) => !rings(one));
  assert.deepEqual({ title, silent }, { title: 'Front door: answered', silent: true });
  assert.equal((await notifications(anna)).length, 1);
  await ben.tap('Hang up');
  await isAllQuiet(house, ben);
});

inHouse('taken back by the visitor; missed; and the next note takes the place of the last', { ...settings, hub: { ...settings.hub, call: 'ring-timeout = "5s"' } }, async ({ panel, phone }) => {
  let since = service.messages.length;
  const anna = await subscribed(phone, 'anna');
  await closeApp(anna);
  const wake = async () => {
    since = service.messages.length;
    await panel.press();
    await deliver(anna, await service.message('anna', 'ring', since));
    await shows(anna, rings);
  };
  await wake();
  await until('3 s since the press', () => new Promise((resolve) => setTimeout(() => resolve(true), 3_300)));
  await panel.press();
  await panel.stood('Outcome(Cancelled)');
  await deliver(anna, await service.message('anna', 'over', since));
  await shows(anna, ({ title }) => title === 'Front door: the visitor stopped ringing');
  await panel.stands('Idle');
  await wake();
  await panel.stands('Outcome(Unanswered)');
  await deliver(anna, await service.message('anna', 'over', since));
  await shows(anna, ({ title }) => title === 'Missed: Front door');
  assert.equal((await notifications(anna)).filter(rings).length, 0);
});

inHouse('Decline refuses without opening the app; in an open page in the background Answer answers there', settings, async ({ house, panel, phone }) => {
  const since = service.messages.length;
  const anna = await subscribed(phone, 'anna');
  await closeApp(anna);
  const ben = await phone('ben');
  await panel.press();
  await ben.stands('ringing');
  await deliver(anna, await service.message('anna', 'ring', since));
  await shows(anna, rings);
  await tap(anna, 'reject');
  assert.deepEqual(await notifications(anna), []);
  await ben.tap('Decline');
  await panel.stands('Outcome(Rejected)');
  await isAllQuiet(house, ben);

  // The app is open again: the notification tells its page.
  await panel.stands('Idle');
  anna.page = await anna.context.newPage();
  await anna.page.goto(`${house.address}/`);
  await anna.isConnected();
  await panel.press();
  await anna.stands('ringing');
  await anna.worker.evaluate(async () => {
    const [page] = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    page.postMessage({ answer: (await (await fetch('/v1/calls/active', { headers: { Authorization: `Bearer ${(await (await (await caches.open('doorward-kept')).match('kept.json')).json()).credential}` } })).json()).calls[0].sessionId });
  });
  await anna.stands('talking');
  await anna.tap('Hang up');
  await isAllQuiet(house, anna, ben);
});

inHouse('a subscription that died is dropped, and the app subscribes anew', settings, async ({ panel, phone }) => {
  const since = service.messages.length;
  const anna = await subscribed(phone, 'anna');
  service.answers.set('anna', 410);
  await panel.press();
  await anna.stands('ringing');
  await service.message('anna', 'ring', since);
  const isSubscribed = () => anna.page.evaluate(async () => {
    const { credential } = JSON.parse(localStorage.getItem('doorward'));
    return (await (await fetch('/v1/me/device/push', { headers: { Authorization: `Bearer ${credential}` } })).json()).subscribed;
  });
  await until('the hub dropped it', async () => !(await isSubscribed()), PATIENCE);
  await anna.tap('Decline');
  service.answers.delete('anna');
  await anna.page.reload();
  await until('the app subscribed anew', isSubscribed, PATIENCE);
});
