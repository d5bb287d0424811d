// The network between one phone and the hub: a cable that can be cut and mended. What is sent over a cut one is lost in silence,
// as on a phone that leaves the house; nobody is told that a connection ended.

import { connect, createServer } from 'node:net';

export class Cable {
  #server;
  #sockets = new Set();
  #isCut = false;
  address = '';

  /** @param target address of the hub, `http://host:port` */
  static async lay(target) {
    const { hostname, port } = new URL(target);
    const cable = new Cable();
    cable.#server = createServer((near) => cable.#join(near, connect(Number(port), hostname)));
    await new Promise((resolve) => cable.#server.listen(0, '127.0.0.1', resolve));
    cable.#server.unref();
    cable.address = `http://127.0.0.1:${cable.#server.address().port}`;
    return cable;
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** The connections of before are gone: addresses change when a phone changes networks. */
  mend() {
    this.#isCut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  remove() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near, far) {
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from);
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#isCut) from.pause();
    }
  }
}
