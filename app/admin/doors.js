// The doors: whether they are there, their last call, whom they ring and who may open them.

import { h } from '../elements.js';
import { button, dialog, field, form, lateChoice, presence, sureButton, time } from './parts.js';

/**
 * @import { Admin } from './admin.js'
 * @import { Directory, Door, Receiver } from './types.js'
 */

/**
 * @param {Admin} admin
 * @param {Directory} directory
 */
export function doorsScreen(admin, directory) {
  const add = form('New door', [field('uid', 'Short name'), field('name', 'Name')], 'Add door', ({ uid, name }) =>
    void admin.does(() => admin.rest.put(`doors/${encodeURIComponent(uid ?? '')}`, { name })));
  const cards = directory.doors.map((door) => card(admin, directory, door));
  return h('section', {}, h('h1', { tabIndex: -1 }, 'Doors'), h('div', { class: 'cards' }, ...cards), h('h2', {}, 'New door'), add);
}

/**
 * @param {Admin} admin
 * @param {Directory} directory
 * @param {Door} door
 */
function card(admin, directory, door) {
  const { uid, lastCall } = door;
  const last = lastCall
    ? h('p', {}, 'Last call ', time(lastCall.initiatedAt), `: ${lastCall.receiverName}, ${lastCall.status}`)
    : h('p', { class: 'hint' }, 'No call yet');
  const rung = new Set(door.receivers.map(({ receiverType, receiver }) => `${receiverType}s/${receiver}`));
  /** @returns {[string, string][]} */
  const others = () => [...directory.groups.map(({ guid, name }) => named(`groups/${guid}`, name)), ...directory.residents.map((one) => named(`users/${one.uid}`, one.name))];
  const free = () => others().filter(([key]) => !rung.has(key));
  const add = form(`Ring more from ${door.name}`, [lateChoice('whom', 'May also ring', free)], 'Allow', ({ whom }) =>
    void admin.does(() => admin.rest.put(`doors/${uid}/${whom}`)));
  return h('article', { class: 'card', 'data-door': uid },
    h('header', {}, h('h2', {}, door.name), h('code', {}, uid), presence(door.online)), last,
    h('ul', {}, ...door.receivers.map((one) => receiverRow(admin, directory, door, one))), add,
    h('footer', {}, button('Enrol a station', () => void enrol(admin, door)),
      sureButton('Remove', door.name, () => void admin.does(() => admin.rest.remove(`doors/${uid}`)))));
}

/**
 * @param {string} key
 * @param {string} name
 * @returns {[string, string]}
 */
const named = (key, name) => [key, name];

/**
 * @param {Admin} admin
 * @param {Directory} directory
 * @param {Door} door
 * @param {Receiver} one
 */
function receiverRow(admin, directory, door, { receiverType, receiver, opens }) {
  const known = receiverType === 'group'
    ? directory.groups.find(({ guid }) => guid === receiver)?.name
    : directory.residents.find(({ uid }) => uid === receiver)?.name;
  const name = known ?? receiver;
  const path = `doors/${door.uid}/${receiverType}s/${receiver}`;
  const box = h('input', { type: 'checkbox', checked: opens, onchange: () => void admin.does(() => admin.rest.put(path, { opens: box.checked })) });
  return h('li', {}, h('span', {}, `rings ${name}`), h('label', { class: 'opens' }, box, 'may open'),
    sureButton('Take off', name, () => void admin.does(() => admin.rest.remove(path))));
}

/**
 * @param {Admin} admin
 * @param {Door} door
 */
async function enrol(admin, door) {
  const made = await admin.tries(() => admin.rest.post(`doors/${door.uid}/enrol`));
  if (!made) return;
  dialog(`A station for ${door.name}`,
    h('p', {}, 'Give this token to ', h('code', {}, 'doorward enrol'), ' on the door station. It is good once, for a day; the station there was is then revoked.'),
    h('output', { class: 'secret' }, made.token));
}
