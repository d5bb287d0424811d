// The service worker: the app's own files when the network is away, and rings while the app is closed. Of /v1 it only refuses a
// call, and renews its subscription; it answers nothing by itself: that is for a page with a picture.

const CACHE = 'doorward-shell-1';
/** What the app leaves here for the time when it is closed. */
const KEPT = 'doorward-kept';
const SHELL = [
  './', 'app.css', 'call.css', 'client.js', 'connection.js', 'elements.js', 'line.js', 'main.js', 'media.js', 'microphone.js', 'opening.js', 'past.js', 'pulse.js', 'push.js', 'ring.js', 'silence.js',
  'switchboard.js', 'texts.js', 'timer.js', 'verbs.js', 'screens/banners.js', 'screens/call.js', 'screens/history.js', 'screens/home.js',
  'screens/pairing.js', 'screens/rules.js', 'screens/settings.js', 'manifest.webmanifest', 'icons/icon.svg', 'icons/icon-192.png',
];
const PATIENCE_MS = 3_000;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE && name !== KEPT).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const inShell = SHELL.some((file) => new URL(file, self.registration.scope).pathname === pathname);
  if (event.request.method === 'GET' && origin === self.location.origin && inShell) event.respondWith(newest(event.request));
});

/** The network first: all files of the app are of one version. */
async function newest(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

// ------------------------------------------------------------------------------------------------------------------ push

const ICON = 'icons/icon-192.png';
/** One note at the most stays of calls that others took. */
const SETTLED = 'doorward-settled';
const REJECT_ATTEMPTS = 5;

self.addEventListener('push', (event) => event.waitUntil(pushed(event.data)));

/** What an open page hears on its socket, it tells in the same words; one of the same call takes the place of the other. */
self.addEventListener('message', (event) => {
  if (event.data?.kind) event.waitUntil(tell(event.data, event.source?.visibilityState === 'visible'));
});

async function pushed(data) {
  let message = null;
  try {
    message = data?.json();
  } catch {
    // Not ours.
  }
  const pages = await windows();
  await tell(message, pages.some(({ visibilityState }) => visibilityState === 'visible'));
}

/** A page that is seen shows the call itself. */
async function tell(message, seen) {
  const { words } = await kept();
  if (message?.kind === 'ring' && !seen) await ring(message, words);
  if (message?.kind === 'over') await over(message, words, seen);
}

function ring({ sessionId, door, body }, words) {
  return self.registration.showNotification(fill(words?.ring, door), {
    body: body || (words?.ringHint ?? ''), tag: sessionId, icon: ICON, badge: ICON, requireInteraction: true, renotify: true,
    vibrate: [500, 200, 500, 200, 500], data: { sessionId },
    actions: words ? [{ action: 'answer', title: words.answer }, { action: 'reject', title: words.reject }] : [],
  });
}

/**
 * The ring is taken away. Browsers insist that a push shows something: a missed call stays, anything else leaves one quiet
 * note, and the next takes its place.
 */
async function over({ sessionId, door, status }, words, seen) {
  const note = { tag: status === 'unanswered' ? `missed-${sessionId}` : SETTLED, icon: ICON, badge: ICON, silent: true };
  if (!seen) await self.registration.showNotification(fill(words?.[status] ?? words?.settled, door), note);
  for (const notification of await self.registration.getNotifications({ tag: sessionId })) notification.close();
}

const fill = (words, door) => (words ?? '{door}').replace('{door}', door);

self.addEventListener('notificationclick', (event) => {
  const { notification, action } = event;
  const { sessionId } = notification.data ?? {};
  notification.close();
  event.waitUntil(action === 'reject' && sessionId ? reject(sessionId) : open(action === 'answer' ? sessionId : undefined));
});

/** To the page that is there, or a new one: it answers the call whose id it is given. */
async function open(sessionId) {
  const [page] = await windows();
  if (!page) return self.clients.openWindow(sessionId ? `./#answer=${sessionId}` : './');
  if (sessionId) page.postMessage({ answer: sessionId });
  return page.focus();
}

/** Without a page. The same key every time: it is refused once. */
async function reject(sessionId) {
  const { credential } = await kept();
  const request = {
    method: 'POST', credentials: 'omit', cache: 'no-store', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${credential}` },
    body: JSON.stringify({ key: `declined-${sessionId}`, status: 'rejected' }),
  };
  for (let attempt = 0; credential && attempt < REJECT_ATTEMPTS; attempt += 1) {
    const response = await fetch(`/v1/calls/${sessionId}/reject`, request).catch(() => null);
    if (response && response.status < 500) return;
    await new Promise((resolve) => setTimeout(resolve, 1_000 * 2 ** attempt));
  }
}

/** The browser gave this device another place at its push service. */
self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(subscribeAnew(event.oldSubscription)));

async function subscribeAnew(old) {
  const { credential } = await kept();
  if (!credential || !old) return;
  const subscription = await self.registration.pushManager.subscribe(old.options);
  await fetch('/v1/me/device/push', {
    method: 'PUT', credentials: 'omit', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${credential}` }, body: JSON.stringify(subscription),
  });
}

function windows() {
  return self.clients.matchAll({ type: 'window', includeUncontrolled: true });
}

/** What the app left here for the time when it is closed. */
async function kept() {
  const response = await (await caches.open(KEPT)).match('kept.json');
  return response ? response.json() : {};
}
