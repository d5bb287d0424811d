// Push: whether this device is woken when somebody rings while the app is closed, and what the service worker has to know
// for that, which reads neither this page's memory nor its storage. Shows nothing.

import { t } from './texts.js';

/**
 * @import { Client } from './client.js'
 * @typedef {'unknown' | 'unsupported' | 'install' | 'hubWithout' | 'blocked' | 'off' | 'on' | 'failed'} PushView
 */

/** The cache in which the service worker finds it. */
const KEPT = 'doorward-kept';

export class Push {
  /** @type {PushView} */
  view = 'unknown';
  /** Called after every change. @type {() => void} */
  onChange = () => {};
  #client;

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** Whether this device is subscribed, here and at the hub. Whatever has come apart is put together again. */
  async refresh() {
    this.#show(await this.#look().catch(() => /** @type {const} */ ('failed')));
  }

  /** From a tap: the browser asks the resident. */
  async turnOn() {
    await Notification.requestPermission();
    this.#show(await this.#turnOn().catch(() => /** @type {const} */ ('failed')));
  }

  async turnOff() {
    const registration = await navigator.serviceWorker.ready;
    await (await registration.pushManager.getSubscription())?.unsubscribe();
    await this.#client.unsubscribePush().catch(() => {});
    await this.refresh();
  }

  /** @param {PushView} view */
  #show(view) {
    this.view = view;
    this.onChange();
  }

  /** @returns {Promise<PushView>} */
  async #look() {
    if (!('serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis)) return mayInstall() ? 'install' : 'unsupported';
    const { applicationServerKey: key, subscribed } = await this.#client.pushState();
    if (!key) return 'hubWithout';
    if (Notification.permission === 'denied') return 'blocked';
    const registration = await navigator.serviceWorker.ready;
    const subscription = await registration.pushManager.getSubscription();
    if (!subscription) return 'off';
    const isOfThisHub = encode(subscription.options.applicationServerKey) === key;
    if (!isOfThisHub) await subscription.unsubscribe();
    return isOfThisHub && subscribed ? 'on' : this.#turnOn();
  }

  /** @returns {Promise<PushView>} */
  async #turnOn() {
    const { applicationServerKey } = await this.#client.pushState();
    if (!applicationServerKey) return 'hubWithout';
    if (Notification.permission !== 'granted') return Notification.permission === 'denied' ? 'blocked' : 'off';
    const registration = await navigator.serviceWorker.ready;
    const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    await this.#client.subscribePush(subscription.toJSON());
    return 'on';
  }
}

/**
 * Lets the service worker speak this resident's language, and refuse a call for this device while the app is closed.
 * @param {string | null} credential nothing, if this device is not paired any more
 */
export async function keepForWorker(credential) {
  if (!('caches' in globalThis)) return;
  if (!credential) {
    await caches.delete(KEPT);
    const registration = await navigator.serviceWorker?.getRegistration();
    await (await registration?.pushManager?.getSubscription())?.unsubscribe();
    return;
  }
  const door = '{door}';
  const words = {
    ring: t('notificationRing', { door }), ringHint: t('notificationRingHint'), answer: t('answer'), reject: t('reject'),
    unanswered: t('notificationMissed', { door }), ongoing: t('notificationAnswered', { door }), cancelled: t('notificationWithdrawn', { door }),
    settled: t('notificationSettled', { door }),
  };
  await (await caches.open(KEPT)).put('kept.json', new Response(JSON.stringify({ credential, words })));
}

/** On an iPhone or iPad only an app on the home screen may be woken. */
function mayInstall() {
  const apple = /iP(hone|ad|od)/.test(navigator.userAgent) || (navigator.platform === 'MacIntel' && navigator.maxTouchPoints > 1);
  return apple && !matchMedia('(display-mode: standalone)').matches;
}

/** @param {ArrayBuffer | null} key */
function encode(key) {
  const text = btoa(String.fromCharCode(...new Uint8Array(key ?? new ArrayBuffer(0))));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
