// What happened: calls, openings, and who administered what, with filters, further back, and as files.

import { h } from '../elements.js';
import { button, choice, table, time } from './parts.js';
import { csv, save } from './sheet.js';

/**
 * @import { Call } from '../types.js'
 * @import { Admin } from './admin.js'
 * @import { Directory, KeptLine, Note } from './types.js'
 */

const STATUSES = ['ended', 'unanswered', 'rejected', 'cancelled', 'busy'];
/** Pages of one file, at the most: the hub keeps no more. */
const MOST_PAGES = 500;

/**
 * One list of what happened, as the hub gives it, page by page.
 * @template Entry
 * @typedef {object} Source
 * @property {(query: string) => Promise<Entry[]>} ask
 * @property {(entry: Entry) => number} at where the next page begins
 * @property {string[]} heads
 * @property {(entry: Entry) => (Node | string)[]} cells
 * @property {(entry: Entry) => Record<string, unknown>} row for a file
 */

/**
 * @param {Admin} admin
 * @param {Directory} directory
 */
export function callsScreen(admin, directory) {
  /** @type {Source<Call>} */
  const source = {
    ask: async (query) => (await admin.rest.get(`calls?${query}`)).calls,
    at: (call) => call.initiatedAt,
    heads: ['When', 'Door', 'Rang', 'Ended', 'Talked', 'Answered by'],
    cells: (call) => [time(call.initiatedAt), call.door, call.receiverName, [call.status, call.endReason].filter(Boolean).join(', '),
      call.duration === undefined ? '–' : `${call.duration} s`, talkers(call)],
    row: (call) => ({
      time: new Date(call.initiatedAt).toISOString(), door: call.door, receiver: call.receiver, receiverName: call.receiverName,
      status: call.status, endReason: call.endReason, duration: call.duration, answeredBy: talkers(call), sessionId: call.sessionId,
    }),
  };
  const door = choice('door', 'Door', [['', 'all'], ...doors(directory)]);
  const status = choice('status', 'Status', [['', 'all'], ...STATUSES.map((word) => /** @type {[string, string]} */ ([word, word]))]);
  return log(admin, 'Calls', 'calls', [door, status], () => source);
}

/**
 * @param {Admin} admin
 * @param {Directory} directory
 */
export function auditScreen(admin, directory) {
  /** @type {Source<Note>} */
  const trail = {
    ask: async (query) => (await admin.rest.get(`trail?${query}`)).notes,
    at: (note) => note.id,
    heads: ['When', 'Who', 'What', 'Whom'],
    cells: (note) => [time(note.at), note.actor, note.action, note.subject],
    row: ({ at, actor, action, subject }) => ({ time: new Date(at).toISOString(), actor, action, subject }),
  };
  /** @type {Source<KeptLine>} */
  const lines = {
    ask: async (query) => (await admin.rest.get(`audit?${query}`)).lines,
    at: (line) => line.id,
    heads: ['When', 'Door', 'What'],
    cells: (line) => [time(line.keptAt), line.door, h('code', { class: 'line' }, JSON.stringify(event(line)))],
    row: (line) => ({ time: new Date(line.keptAt).toISOString(), door: line.door, line: line.line }),
  };
  const door = choice('door', 'Of', [['', 'the hub'], ...doors(directory)]);
  return log(admin, 'Audit', 'audit', [door], () => /** @type {Source<any>} */ (door.value ? lines : trail));
}

/** @param {KeptLine} line */
function event(line) {
  return JSON.parse(line.line).event;
}

/** @param {Call} call */
function talkers(call) {
  return call.participants.filter(({ uid, joinedAt }) => joinedAt && uid !== call.door).map(({ name }) => name).join(', ');
}

/**
 * @param {Directory} directory
 * @returns {[string, string][]}
 */
function doors(directory) {
  return directory.doors.map(({ uid, name }) => [uid, name]);
}

/**
 * @param {Admin} admin
 * @param {string} title
 * @param {string} file
 * @param {HTMLSelectElement[]} filters
 * @param {() => Source<any>} source
 */
function log(admin, title, file, filters, source) {
  const list = h('div', {});
  /** @type {any[]} */
  let shown = [];
  const query = (/** @type {number | undefined} */ before) => {
    const words = filters.filter(({ value }) => value).map(({ name, value }) => `${name}=${value}`);
    return [...words, ...(before === undefined ? [] : [`before=${before}`])].join('&');
  };
  const draw = () => {
    const { heads, cells } = source();
    list.replaceChildren(table(heads, shown.map(cells), 'Nothing that fits'));
  };
  const older = button('Older', () => void more());
  const more = async () => {
    const last = shown.at(-1);
    const page = await admin.tries(() => source().ask(query(last && source().at(last))));
    shown = [...shown, ...(page ?? [])];
    older.hidden = !page?.length;
    draw();
  };
  const begin = () => {
    shown = [];
    void more();
  };
  /** Everything that fits the filters, however far back. */
  const all = async () => {
    const { ask, at } = source();
    /** @type {any[]} */
    const entries = [];
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const last = entries.at(-1);
      const page = await admin.tries(() => ask(query(last && at(last))));
      if (!page?.length) break;
      entries.push(...page);
    }
    return entries;
  };
  const asCsv = button('Export CSV', () => void all().then((entries) => save(`${file}.csv`, 'text/csv', csv(entries.map(source().row)))));
  const asJson = button('Export JSON', () => void all().then((entries) => save(`${file}.json`, 'application/json', JSON.stringify(entries, null, 2))));
  for (const filter of filters) filter.addEventListener('change', begin);
  begin();
  const labels = filters.map((filter) => h('label', {}, filter.title, filter));
  return h('section', {}, h('h1', { tabIndex: -1 }, title), h('div', { class: 'line' }, ...labels, asCsv, asJson), list, older);
}
