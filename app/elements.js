// Makes elements and draws the icons. Knows nothing of calls.

const SVG = 'http://www.w3.org/2000/svg';

/** Drawn on a grid of 24, as strokes. */
const ICONS = {
  answer: 'M6.6 3.5 9 3l2 4.7-2 1.6a12 12 0 0 0 5.7 5.7l1.6-2 4.7 2-.5 2.4a3 3 0 0 1-3.2 2.5A15.6 15.6 0 0 1 4 6.7 3 3 0 0 1 6.6 3.5Z',
  hangUp: 'M3 13.2c5.4-5 12.6-5 18 0l-.2 2.6-4.1 1.1-1.4-3.2c-2.2-.7-4.4-.7-6.6 0l-1.4 3.2-4.1-1.1Z',
  microphone: 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21',
  microphoneOff: 'M9 9v2a3 3 0 0 0 4.8 2.4M15 10V6a3 3 0 0 0-5.7-1.3M5.5 11a6.5 6.5 0 0 0 10 5.5M18.5 11a6.5 6.5 0 0 1-.6 2.7M12 17.5V21M4 3.5l16 17',
  volume: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11',
  home: 'M4 11 12 4l8 7v8.5H14.5V14h-5v5.5H4Z',
  history: 'M12 4a8 8 0 1 1-7.6 5.5M4 4.5V10h5.5M12 8v4.5l3 2',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4',
  door: 'M6 21V4.5L15 3v18M3.5 21h17M15 5.5h3V21M12 12v1',
  key: 'M14.5 3.5a6 6 0 1 1-4.6 9.9L3.5 19.8v.7h4V18H10v-2.5h1.7M16.2 7.8h.1',
  bell: 'M12 3a6 6 0 0 0-6 6c0 5-2 6.5-2 8h16c0-1.5-2-3-2-8a6 6 0 0 0-6-6ZM10 20.5a2.2 2.2 0 0 0 4 0',
  person: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8ZM4.5 20.5c.6-4 3.6-6 7.5-6s6.9 2 7.5 6',
  busy: 'M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17ZM7.5 12h9',
  warning: 'M12 4 2.8 20h18.4ZM12 10v4.5M12 17.2v.3',
  check: 'M5 12.5 10 17.5 19.5 7',
  close: 'M6 6l12 12M18 6 6 18',
  incoming: 'M18 6 7 17M7 8v9h9',
  outgoing: 'M6 18 17 7M17 16V7H8',
  missed: 'M4 6l8 8 8-8M4 11V6h5',
};

/** @typedef {keyof typeof ICONS} IconName */

/**
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * An element. Properties that are functions become listeners; `class`, `aria-…`, `data-…`, `role` and `for` become attributes,
 * the others properties.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} properties
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (/^(class|role|for|aria-.*|data-.*)$/.test(name)) element.setAttribute(name, String(value));
    else Reflect.set(element, name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Sets a text only where it changed, so that a screen reader does not speak twice.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A round button with its word below.
 * @param {IconName} name
 * @param {string} kind
 * @param {string} word
 * @param {() => void} pressed
 */
export function roundButton(name, kind, word, pressed) {
  const label = h('span', { class: 'round-word' }, word);
  return h('button', { type: 'button', class: `round ${kind}`, onclick: pressed }, h('span', { class: 'round-face' }, icon(name)), label);
}

/** From the touch to the act: long enough to be meant, short enough to be borne. */
const HOLD_MS = 600;

/**
 * A round button that acts when it is held, for what must not happen by a slip of a finger. Who clicks it without a pointer or
 * a key (a screen reader, a switch) has chosen it already.
 * @param {IconName} name
 * @param {string} kind
 * @param {string} word
 * @param {() => void} held
 */
export function holdButton(name, kind, word, held) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const button = roundButton(name, `${kind} hold`, word, () => {});
  button.style.setProperty('--hold', `${HOLD_MS}ms`);
  const release = () => {
    clearTimeout(timer);
    timer = undefined;
    button.classList.remove('holding');
  };
  const press = () => {
    if (timer !== undefined || button.disabled) return;
    button.classList.add('holding');
    timer = setTimeout(() => {
      release();
      held();
    }, HOLD_MS);
  };
  button.addEventListener('pointerdown', (event) => event.button === 0 && press());
  for (const end of ['pointerup', 'pointercancel', 'pointerleave', 'blur']) button.addEventListener(end, release);
  button.addEventListener('keydown', (event) => {
    if (event.key !== ' ' && event.key !== 'Enter') return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  button.addEventListener('keyup', release);
  button.addEventListener('contextmenu', (event) => event.preventDefault());
  button.addEventListener('click', (event) => {
    const touched = event instanceof PointerEvent && event.pointerType !== '';
    if (event.detail === 0 && !touched) held();
  });
  return button;
}
