// The pieces that the administrator's screens are made of. They know no screen and ask nobody.

import { h } from '../elements.js';

/** Between the first and the second touch of what cannot be undone. */
const SURE_MS = 4000;
/** Rows of a list that are drawn: of two thousand flats nobody looks at more, but finds the one. */
const MOST_ROWS = 100;

const when = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** @param {number} at milliseconds since 1970 */
export function time(at) {
  return h('time', { dateTime: new Date(at).toISOString() }, when.format(at));
}

/**
 * @param {string} word
 * @param {() => void} pressed
 * @param {string} kind
 */
export function button(word, pressed, kind = '') {
  return h('button', { type: 'button', class: `act ${kind}`, onclick: pressed }, word);
}

/**
 * A button for what cannot be undone: it asks once more.
 * @param {string} word
 * @param {string} what for those who do not see the row it stands in
 * @param {() => void} meant
 */
export function sureButton(word, what, meant) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const rest = () => {
    timer = undefined;
    element.textContent = word;
    element.setAttribute('aria-label', `${word} ${what}`);
  };
  const element = button(word, () => {
    if (timer !== undefined) {
      clearTimeout(timer);
      rest();
      meant();
      return;
    }
    element.textContent = 'Sure?';
    element.setAttribute('aria-label', `Really ${word.toLowerCase()} ${what}?`);
    timer = setTimeout(rest, SURE_MS);
  }, 'stop');
  rest();
  return element;
}

/**
 * Whether something is there: a mark and a word, never colour alone.
 * @param {boolean} online
 */
export function presence(online) {
  return h('span', { class: online ? 'presence on' : 'presence off' }, online ? '● online' : '○ offline');
}

/**
 * @param {string[]} heads
 * @param {(Node | string)[][]} rows
 * @param {string} empty
 */
export function table(heads, rows, empty) {
  if (!rows.length) return h('p', { class: 'hint' }, empty);
  const head = h('tr', {}, ...heads.map((word) => h('th', {}, word)));
  const body = rows.map((cells) => h('tr', {}, ...cells.map((cell, at) => h('td', { 'data-head': heads[at] ?? '' }, cell))));
  return h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, head), h('tbody', {}, ...body)));
}

/**
 * The entries of a list that fit what is looked for, as many as one looks at.
 * @template Entry
 * @param {string[]} heads
 * @param {Entry[]} entries
 * @param {string} word what is looked for
 * @param {(entry: Entry) => string[]} texts what it may stand in
 * @param {(entry: Entry) => (Node | string)[]} cells
 * @param {string} empty
 */
export function found(heads, entries, word, texts, cells, empty) {
  const sought = word.trim().toLowerCase();
  const fit = sought ? entries.filter((entry) => texts(entry).some((text) => text.toLowerCase().includes(sought))) : entries;
  const more = fit.length - MOST_ROWS;
  return h('div', {}, table(heads, fit.slice(0, MOST_ROWS).map(cells), sought ? 'Nothing that fits' : empty),
    more > 0 ? h('p', { class: 'hint' }, `${more} more: find them above`) : null);
}

/**
 * A form of one line. Its values are given to `sent`, by name.
 * @param {string} title
 * @param {(HTMLInputElement | HTMLSelectElement)[]} fields each with its label as `title`
 * @param {string} word
 * @param {(values: Record<string, string>) => void} sent
 */
export function form(title, fields, word, sent) {
  const labels = fields.map((field) => h('label', {}, field.title, field));
  /** @param {Event} event */
  const onsubmit = (event) => {
    event.preventDefault();
    sent(Object.fromEntries(fields.map((field) => [field.name, field.value.trim()])));
  };
  return h('form', { class: 'line', 'aria-label': title, onsubmit }, ...labels, h('button', { type: 'submit', class: 'act go' }, word));
}

/**
 * @param {string} name
 * @param {string} title
 * @param {Record<string, unknown>} more
 */
export function field(name, title, more = {}) {
  return h('input', { name, title, required: true, autocomplete: 'off', spellcheck: false, ...more });
}

/**
 * @param {string} name
 * @param {string} title
 * @param {[string, string][]} options value and word
 * @param {string} chosen
 */
export function choice(name, title, options, chosen = '') {
  const made = options.map(([value, word]) => h('option', { value, selected: value === chosen }, word));
  return h('select', { name, title }, ...made);
}

/**
 * One of many, of which the page has many: the options come when somebody is about to choose.
 * @param {string} name
 * @param {string} title
 * @param {() => [string, string][]} options value and word
 */
export function lateChoice(name, title, options) {
  const select = h('select', { name, title, required: true }, h('option', { value: '' }, 'choose …'));
  let isFilled = false;
  const fill = () => {
    if (!isFilled) select.append(...options().map(([value, word]) => h('option', { value }, word)));
    isFilled = true;
  };
  for (const event of ['pointerdown', 'focus']) select.addEventListener(event, fill);
  return select;
}

/**
 * Shows something in front of everything, until it is closed.
 * @param {string} title
 * @param {...Node} content
 */
export function dialog(title, ...content) {
  const element = h('dialog', { 'aria-label': title }, h('h2', {}, title), ...content, button('Close', () => element.close(), 'go'));
  element.addEventListener('close', () => element.remove());
  document.body.append(element);
  element.showModal();
}
