// Notices that nothing comes any more on a connection that the browser still believes in: it takes five seconds and more to doubt it.
// Never closes anything.

const LOOK_MS = 500;
/** So many looks in a row without anything, where there was a stream before. A page that slept looks late, not often. */
const SILENT_LOOKS = 3;
/** Less than this between two looks is no stream: reports and checks come now and then. */
const STREAM_PACKETS = 3;

export class Silence {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #looking;

  /**
   * @param {RTCPeerConnection} connection
   * @param {() => void} silent called once
   */
  watch(connection, silent) {
    this.stop();
    let heard = -1;
    let looks = 0;
    let streams = false;
    const looking = setInterval(async () => {
      let now = 0;
      for (const report of (await connection.getStats()).values()) {
        if (report.type === 'inbound-rtp') now += report.packetsReceived ?? 0;
      }
      if (looking !== this.#looking) return;
      if (now !== heard) {
        streams = heard >= 0 && now - heard >= STREAM_PACKETS;
        heard = now;
        looks = 0;
      } else if (streams && (looks += 1) >= SILENT_LOOKS) {
        this.stop();
        silent();
      }
    }, LOOK_MS);
    this.#looking = looking;
  }

  stop() {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}
