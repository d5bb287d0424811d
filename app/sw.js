// The service worker: the app's own files when the network is away, and a tap on a notification. Never touches /v1.

const CACHE = 'doorward-shell-1';
const SHELL = [
  './', 'app.css', 'call.css', 'client.js', 'connection.js', 'elements.js', 'line.js', 'main.js', 'media.js', 'microphone.js', 'opening.js', 'past.js', 'pulse.js', 'ring.js',
  'switchboard.js', 'texts.js', 'timer.js', 'verbs.js', 'screens/banners.js', 'screens/call.js', 'screens/history.js', 'screens/home.js',
  'screens/pairing.js', 'screens/settings.js', 'manifest.webmanifest', 'icons/icon.svg', 'icons/icon-192.png',
];
const PATIENCE_MS = 3_000;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))));
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

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(
    self.clients.matchAll({ type: 'window', includeUncontrolled: true }).then((pages) => pages[0]?.focus() ?? self.clients.openWindow('./')),
  );
});
