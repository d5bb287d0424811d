// The hub's REST interface: one request, sent again under the same idempotency key until it is answered or pointless.
// Never decides what a refusal means for a call.

/** @import { Call, Pairing, Refusal, ErrorCode, LocalErrorCode } from './types.js' */

const ATTEMPT_MS = 6_000;
/** What is only read, or asked for once, is not worth waiting for longer. */
export const READ_PATIENCE_MS = 10_000;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 4_000;

/** What the hub refused, or that it could not be reached. */
export class HubError extends Error {
  /** @param {Refusal} refusal */
  constructor(refusal) {
    super(`${refusal.code}: ${refusal.message}`);
    this.name = 'HubError';
    /** @type {ErrorCode | LocalErrorCode} */
    this.code = refusal.code;
    /** The call that stands in the way, or the call as it now stands. @type {Call | undefined} */
    this.call = refusal.details?.call;
    /** Seconds to wait before the next try. @type {number | undefined} */
    this.retryAfter = refusal.details?.retryAfter;
  }
}

/**
 * @typedef {object} Asking
 * @property {string} hub address of the hub, without a trailing slash
 * @property {string | null} credential
 * @property {'DELETE' | 'GET' | 'POST' | 'PUT'} method
 * @property {string} path
 * @property {object} [body]
 * @property {number} patience milliseconds after which there is no point in asking any more
 * @property {() => boolean} [pointless] true as soon as the answer is of no use
 */

/**
 * Asks until there is an answer. Only what is safe to repeat may come here: reading, deleting, and verbs that carry a key.
 * @template T
 * @param {Asking} asking
 * @returns {Promise<T>}
 */
export async function ask(asking) {
  const deadline = performance.now() + asking.patience;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const outcome = await attempt(asking, Math.min(ATTEMPT_MS, deadline - performance.now()));
    if ('answer' in outcome) return /** @type {T} */ (outcome.answer);
    const wait = Math.max(pause * (0.5 + Math.random() / 2), (outcome.error.retryAfter ?? 0) * 1_000);
    if (outcome.final || asking.pointless?.() || performance.now() + wait >= deadline) throw outcome.error;
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (asking.pointless?.()) throw outcome.error;
  }
}

/**
 * @param {Asking} asking
 * @param {number} timeout
 * @returns {Promise<{ answer: unknown } | { error: HubError, final: boolean }>}
 */
async function attempt({ hub, credential, method, path, body }, timeout) {
  const unreachable = new HubError({ code: 'ERR_NO_CONNECTION', message: `no answer to ${method} ${path}` });
  try {
    /** @type {Record<string, string>} */
    const headers = {};
    if (credential) headers['Authorization'] = `Bearer ${credential}`;
    if (body) headers['Content-Type'] = 'application/json';
    const response = await fetch(hub + path, {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(Math.max(timeout, 1)),
    });
    if (response.ok && response.headers.get('Content-Type') === 'image/jpeg') return { answer: await response.blob() };
    const text = await response.text();
    if (response.ok) return { answer: text ? JSON.parse(text) : null };
    const refusal = refusalOf(text);
    // Without a refusal in it, the answer is not the hub's own: something in between, which may pass.
    if (!refusal) return { error: unreachable, final: false };
    return { error: new HubError(refusal), final: response.status < 500 && response.status !== 429 };
  } catch {
    return { error: unreachable, final: false };
  }
}

/**
 * @param {string} text
 * @returns {Refusal | null}
 */
function refusalOf(text) {
  try {
    const refusal = JSON.parse(text)?.error;
    return typeof refusal?.code === 'string' ? refusal : null;
  } catch {
    return null;
  }
}

/**
 * Pairs this device by a one-time code.
 * @param {string} hub address of the hub, such as `location.origin`
 * @param {string} code
 * @param {string} deviceName how the device is called in lists
 * @returns {Promise<Pairing>}
 */
export function pairDevice(hub, code, deviceName) {
  const body = { code, deviceName };
  return ask({ hub, credential: null, method: 'POST', path: '/v1/pair', body, patience: READ_PATIENCE_MS });
}

/** An idempotency key. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {Call} call */
export const isOver = (call) => call.status !== 'initiated' && call.status !== 'ongoing';
