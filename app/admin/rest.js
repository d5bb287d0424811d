// Asks the paths below /v1/admin. Knows no page; the credential travels in the header alone.

/** What the hub refused, in its words. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Rest {
  #credential;

  /** @param {string} credential */
  constructor(credential) {
    this.#credential = credential;
  }

  /**
   * @param {string} path below /v1/admin
   * @returns {Promise<any>}
   */
  get(path) {
    return this.#ask('GET', path);
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  put(path, body = {}) {
    return this.#ask('PUT', path, body);
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  post(path, body = {}) {
    return this.#ask('POST', path, body);
  }

  /** @param {string} path */
  remove(path) {
    return this.#ask('DELETE', path);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   */
  async #ask(method, path, body) {
    const headers = { authorization: `Bearer ${this.#credential}` };
    const response = await fetch(`/v1/admin/${path}`, { method, headers, body: body ? JSON.stringify(body) : null, cache: 'no-store' })
      .catch(() => { throw new Refused(0, 'The hub is not reached.'); });
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => null);
    if (response.ok) return answer;
    throw new Refused(response.status, answer?.error?.message ?? `The hub answered ${response.status}.`);
  }
}
