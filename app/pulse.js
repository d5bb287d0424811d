// A worker that keeps time for a page in the background, whose own timers the browser slows down to one a minute: the heartbeat
// would come too late, and the phone would not ring. It holds nothing but timers.

/** @type {Map<number, ReturnType<typeof setTimeout>>} */
const running = new Map();

addEventListener('message', ({ data: { id, milliseconds } }) => {
  clearTimeout(running.get(id));
  running.delete(id);
  if (milliseconds === null) return;
  running.set(id, setTimeout(() => {
    running.delete(id);
    postMessage(id);
  }, milliseconds));
});
