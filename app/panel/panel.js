// @ts-check
// The door's panel: shows what the door shows, and says when a finger is on a button. It decides nothing.

/** @typedef {{ id: string, label: string }} Button */
/** @typedef {{ name: string, buttons: Button[], leds: number }} Layout */
/** @typedef {{ dbfs: number, hertz: number, count: number }} Speaker */
/** @typedef {"doorContact" | "requestToExit" | "tamper"} Contact */
/** @typedef {{ frame: string, speaker: Speaker | null, relay: boolean, active: Contact[], status: string }} Shown */

const SVG = "http://www.w3.org/2000/svg";
const BARS = 24;
const QUIETEST = -60;
const SPEAKER_FORGOTTEN = 400;
const AGAIN = 1000;
/** A finger is never quicker; what a tool does in its place may be, and the door would take it for noise. */
const SHORTEST_PRESS = 80;

const plate = element("plate");
/** @type {{ glow: Element, core: Element }[]} */
let lamps = [];
/** Since when each button is down. @type {Map<string, number>} */
const pressed = new Map();
/** @type {WebSocket | undefined} */
let socket;
let drawn = "";
let measured = -1;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let silence;

/** @type {[Contact, HTMLElement][]} */
const contacts = [["doorContact", element("door-contact")], ["requestToExit", element("request-to-exit")], ["tamper", element("tamper")]];
let active = new Set();

drawBars();
for (const [input, toggle] of contacts) makeSwitch(input, toggle);
connect();

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.addEventListener("message", ({ data }) => {
    /** @type {{ layout?: Layout, shown?: Shown }} */
    const told = JSON.parse(data);
    if (told.layout) lay(told.layout);
    if (told.shown) show(told.shown);
  });
  socket.addEventListener("open", () => plate.classList.remove("gone"));
  socket.addEventListener("close", () => {
    plate.classList.add("gone");
    element("status").textContent = "No connection to the door";
    lamps.forEach((_, index) => light(index, "000000"));
    drawn = "";
    showSpeaker(null);
    setTimeout(connect, AGAIN);
  });
}

/** @param {Layout} layout */
function lay(layout) {
  document.title = layout.name;
  element("name").textContent = layout.name;
  plate.dataset.buttons = layout.buttons.length === 1 ? "one" : "many";
  const alone = layout.buttons.length === 1;
  // One button sits in the ring, below the lens; of several none is more than the others, and the lens takes its place.
  element("middle").querySelector(".push")?.remove();
  element("buttons").replaceChildren();
  for (const button of layout.buttons) {
    const push = makeButton(button);
    const label = document.createElement("span");
    label.className = "label";
    label.textContent = button.label;
    if (alone) {
      element("middle").append(push);
      element("buttons").append(label);
    } else {
      const row = document.createElement("div");
      row.className = "row";
      row.append(label, push);
      element("buttons").append(row);
    }
  }
  if (alone) plate.insertBefore(element("lens"), element("ring"));
  else element("middle").append(element("lens"));
  drawRing(layout.leds);
}

/** @param {Button} button */
function makeButton({ id, label }) {
  const push = document.createElement("button");
  push.type = "button";
  push.className = "push";
  push.id = `push-${id}`;
  push.setAttribute("aria-label", label);
  push.append(bell());
  const press = () => touch(id, true, push);
  const release = () => {
    const since = pressed.get(id);
    if (since === undefined) return;
    setTimeout(() => pressed.get(id) === since && touch(id, false, push), since + SHORTEST_PRESS - performance.now());
  };
  push.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    push.setPointerCapture(event.pointerId);
    press();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) push.addEventListener(end, release);
  push.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  push.addEventListener("keyup", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    release();
  });
  // Screen readers and switches click without a pointer or a key.
  push.addEventListener("click", (event) => {
    if (event.detail !== 0 || pressed.has(id)) return;
    press();
    release();
  });
  push.addEventListener("contextmenu", (event) => event.preventDefault());
  return push;
}

/**
 * @param {string} id
 * @param {boolean} down
 * @param {Element} push
 */
function touch(id, down, push) {
  if (pressed.has(id) === down) return;
  if (down) pressed.set(id, performance.now());
  else pressed.delete(id);
  push.classList.toggle("down", down);
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(down ? { press: id } : { release: id }));
}

/**
 * Contacts stay as they are put; the request to exit is a button, and comes back by itself.
 * @param {Contact} input
 * @param {HTMLElement} toggle
 */
function makeSwitch(input, toggle) {
  const put = (/** @type {boolean} */ on) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ switch: { input, active: on } }));
  };
  toggle.addEventListener("click", () => {
    if (input !== "requestToExit") return put(!active.has(input));
    put(true);
    setTimeout(() => put(false), 4 * SHORTEST_PRESS);
  });
}

function bell() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", "M12 3a1.4 1.4 0 0 1 1.4 1.4v.5A5.6 5.6 0 0 1 17.6 10.3V15l1.6 2H4.8l1.6-2v-4.7a5.6 5.6 0 0 1 4.2-5.4v-.5A1.4 1.4 0 0 1 12 3Zm-2 15.2h4a2 2 0 0 1-4 0Z");
  svg.append(path);
  return svg;
}

/** @param {number} leds */
function drawRing(leds) {
  const svg = element("leds");
  svg.replaceChildren();
  const groove = circle(0, 0, 84, "groove");
  svg.append(groove);
  const radius = Math.min(7, (84 * Math.PI) / leds / 1.6);
  lamps = [];
  const glows = [];
  const cores = [];
  for (let index = 0; index < leds; index += 1) {
    const angle = (index / leds) * 2 * Math.PI;
    const [x, y] = [84 * Math.sin(angle), -84 * Math.cos(angle)];
    const glow = circle(x, y, radius * 2.4, "glow");
    const core = circle(x, y, radius, "core");
    glows.push(glow);
    cores.push(core);
    lamps.push({ glow, core });
    light(index, "000000");
  }
  svg.append(...glows, ...cores);
  drawn = "";
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {string} name
 */
function circle(x, y, radius, name) {
  const shape = document.createElementNS(SVG, "circle");
  shape.setAttribute("cx", x.toFixed(2));
  shape.setAttribute("cy", y.toFixed(2));
  shape.setAttribute("r", radius.toFixed(2));
  shape.setAttribute("class", name);
  return shape;
}

/** @param {Shown} shown */
function show(shown) {
  if (shown.frame !== drawn) {
    for (let index = 0; index < lamps.length; index += 1) {
      const color = shown.frame.slice(index * 6, index * 6 + 6);
      if (color !== drawn.slice(index * 6, index * 6 + 6)) light(index, color);
    }
    drawn = shown.frame;
  }
  // The LED of the camera is the first one; the lens has it once more.
  plate.classList.toggle("filming", !/^0{0,6}$/.test(shown.frame.slice(0, 6)));
  plate.classList.toggle("open", shown.relay);
  element("relay-word").textContent = shown.relay ? "relay on" : "relay off";
  active = new Set(shown.active);
  for (const [input, toggle] of contacts) toggle.setAttribute("aria-pressed", String(active.has(input)));
  if (element("status").textContent !== shown.status) element("status").textContent = shown.status;
  if (shown.speaker && shown.speaker.count !== measured) {
    measured = shown.speaker.count;
    showSpeaker(shown.speaker);
  }
}

/**
 * LEDs are linear in light, screens are not.
 * @param {number} index
 * @param {string} color
 */
function light(index, color) {
  const lamp = lamps[index];
  if (!lamp) return;
  const linear = [0, 2, 4].map((at) => Number.parseInt(color.slice(at, at + 2) || "0", 16) / 255);
  const strength = Math.max(...linear);
  if (strength === 0) {
    lamp.core.setAttribute("fill", "#16181b");
    lamp.glow.setAttribute("fill-opacity", "0");
    return;
  }
  const shade = linear.map((part) => Math.round(255 * (part / strength) ** (1 / 2.2)));
  const seen = strength ** (1 / 2.2);
  // A bright LED looks white in the middle.
  const core = shade.map((part) => Math.round(22 + seen * (part + (255 - part) * 0.22 * strength - 22)));
  lamp.core.setAttribute("fill", `rgb(${core.join()})`);
  lamp.glow.setAttribute("fill", `rgb(${shade.join()})`);
  lamp.glow.setAttribute("fill-opacity", (seen * 0.75).toFixed(3));
}

function drawBars() {
  for (let index = 0; index < BARS; index += 1) {
    const bar = document.createElement("span");
    if (index >= BARS - 3) bar.className = "hot";
    element("bars").append(bar);
  }
}

/** @param {Speaker | null} speaker */
function showSpeaker(speaker) {
  clearTimeout(silence);
  const share = speaker ? (speaker.dbfs - QUIETEST) / -QUIETEST : 0;
  const lit = Math.round(Math.max(0, Math.min(1, share)) * BARS);
  [...element("bars").children].forEach((bar, index) => bar.classList.toggle("lit", index < lit));
  element("hertz").textContent = speaker && lit > 0 ? `${Math.round(speaker.hertz)} Hz` : "";
  element("bars").parentElement?.setAttribute("aria-label", lit > 0 ? "Speaker plays" : "Speaker is silent");
  if (speaker) silence = setTimeout(() => showSpeaker(null), SPEAKER_FORGOTTEN);
}
