// One timer that also runs on time while the page is in the background.

/** @type {Worker | null | undefined} */
let worker;
let lastId = 0;
/** @type {Map<number, () => void>} */
const due = new Map();

function pulse() {
  if (worker !== undefined) return worker;
  try {
    worker = new Worker(new URL('pulse.js', import.meta.url));
    worker.onmessage = ({ data }) => due.get(data)?.();
    worker.onerror = () => {
      // What it had to wake is woken now, rather than never; later timers are the page's own.
      worker = null;
      for (const then of [...due.values()]) then();
    };
  } catch {
    // A page of another origin may not start it.
    worker = null;
  }
  return worker;
}

export class Timer {
  #id = ++lastId;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #own;

  /**
   * Instead of what it was set to before.
   * @param {number} milliseconds
   * @param {() => void} then
   */
  set(milliseconds, then) {
    this.clear();
    const fire = () => {
      this.clear();
      then();
    };
    const thread = pulse();
    if (!thread) this.#own = setTimeout(fire, milliseconds);
    else {
      due.set(this.#id, fire);
      thread.postMessage({ id: this.#id, milliseconds });
    }
  }

  clear() {
    clearTimeout(this.#own);
    if (due.delete(this.#id)) worker?.postMessage({ id: this.#id, milliseconds: null });
  }
}
