// The calls that are over, the latest first, page by page as far as the resident turned back. Never draws, never decides
// what a call was.

/**
 * @import { Call } from './types.js'
 * @import { Client } from './client.js'
 */

/** Calls of one page. */
const PAGE = 50;

export class PastCalls {
  /** Null until they were read once. @type {Call[] | null} */
  calls = null;
  /** The last reading failed. */
  failed = false;
  /** There may be earlier ones. */
  more = false;
  /** Called after every change. @type {() => void} */
  onChange = () => {};
  /** Stills that were asked for: the address of the picture, or nothing. @type {Map<string, Promise<string>>} */
  #stills = new Map();
  #client;

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** Reads the latest, and keeps the earlier ones that were turned to. */
  async refresh() {
    await this.#read({ limit: PAGE }, (page) => {
      const kept = without(this.calls ?? [], page);
      // Many calls later there would be a gap between this page and what is kept.
      const joins = kept.length < (this.calls?.length ?? 0);
      if (!joins) this.more = page.length === PAGE;
      this.calls = joins ? [...page, ...kept] : page;
    });
  }

  /** Reads the page before the earliest that is known. */
  async turnBack() {
    const known = this.calls ?? [];
    const earliest = known.at(-1);
    if (!earliest) return this.refresh();
    // Several calls may have begun in one millisecond: that one is read again.
    await this.#read({ before: earliest.initiatedAt + 1, limit: PAGE }, (page) => {
      const earlier = without(page, this.calls ?? []);
      this.more = page.length === PAGE && earlier.length > 0;
      this.calls = [...(this.calls ?? []), ...earlier];
    });
  }

  /**
   * The address of the still of a call that has one; empty if it cannot be had.
   * @param {string} sessionId
   * @returns {Promise<string>}
   */
  still(sessionId) {
    const known = this.#stills.get(sessionId);
    if (known) return known;
    const still = this.#client.still(sessionId).then((jpeg) => URL.createObjectURL(jpeg), () => '');
    this.#stills.set(sessionId, still);
    return still;
  }

  /**
   * @param {{ before?: number, limit: number }} which
   * @param {(page: Call[]) => void} then
   */
  async #read(which, then) {
    try {
      then(await this.#client.history(which));
      this.failed = false;
    } catch {
      this.failed = true;
    }
    this.onChange();
  }
}

/**
 * @param {Call[]} calls
 * @param {Call[]} others
 */
function without(calls, others) {
  const known = new Set(others.map((call) => call.sessionId));
  return calls.filter((call) => !known.has(call.sessionId));
}
