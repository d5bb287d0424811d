// Residents, their groups and their phones: pairing codes, revocation.

import { h } from '../elements.js';
import { button, choice, dialog, field, form, found, lateChoice, presence, sureButton, time } from './parts.js';

/**
 * @import { Admin } from './admin.js'
 * @import { Device, Directory, Group, Pairing, Resident } from './types.js'
 */

/**
 * @param {Admin} admin
 * @param {Directory} directory
 */
export function residentsScreen(admin, directory) {
  /** @type {[string, string][]} */
  const groups = directory.groups.map(({ guid, name }) => [guid, name]);
  const add = form('New resident', [field('uid', 'Short name'), field('name', 'Name'), choice('group', 'Group', [['', 'none'], ...groups])], 'Add resident',
    ({ uid, name, group }) => void admin.does(() => admin.rest.put(`residents/${encodeURIComponent(uid ?? '')}`, { name, groups: group ? [group] : [] })));
  const addGroup = form('New group', [field('guid', 'Short name'), field('name', 'Name')], 'Add group',
    ({ guid, name }) => void admin.does(() => admin.rest.put(`groups/${encodeURIComponent(guid ?? '')}`, { name })));
  const [residents, devices, ofGroups] = [h('div', {}), h('div', {}), h('div', {})];
  const draw = () => {
    const { find } = admin;
    residents.replaceChildren(found(['Name', 'Short name', 'Groups', 'Phones', ''], directory.residents, find,
      (one) => [one.name, one.uid, ...groupNames(directory, one)], (one) => residentRow(admin, directory, one), 'Nobody yet'));
    devices.replaceChildren(found(['Device', 'Of', 'Since', 'State', ''], directory.devices, find,
      ({ name, deviceId, uid }) => [name, deviceId, uid], (device) => deviceRow(admin, device), 'None yet'));
    ofGroups.replaceChildren(found(['Name', 'Short name', 'Members', ''], directory.groups, find,
      ({ name, guid, members }) => [name, guid, ...members], (group) => groupRow(admin, directory, group), 'None yet'));
  };
  /** @param {Event} event */
  const oninput = (event) => {
    admin.find = /** @type {HTMLInputElement} */ (event.target).value;
    draw();
  };
  const find = h('input', { type: 'search', name: 'find', value: admin.find, autocomplete: 'off', oninput });
  draw();
  return h('section', {}, h('h1', { tabIndex: -1 }, 'Residents'), h('label', { class: 'find' }, 'Find', find), residents, add,
    h('h2', {}, 'Devices'), devices, h('h2', {}, 'Groups'), ofGroups, addGroup);
}

/**
 * @param {Directory} directory
 * @param {Resident} one
 */
function groupNames(directory, one) {
  return one.groups.map((guid) => directory.groups.find((group) => group.guid === guid)?.name ?? guid);
}

/**
 * @param {Admin} admin
 * @param {Directory} directory
 * @param {Resident} one
 */
function residentRow(admin, directory, one) {
  const names = groupNames(directory, one);
  const phones = directory.devices.filter(({ uid }) => uid === one.uid).length;
  return [one.name, h('code', {}, one.uid), names.join(', ') || '–', h('span', {}, `${phones} · `, presence(one.online)), h('span', { class: 'acts' },
    button('Pair a phone', () => void pair(admin, one)),
    sureButton('Remove', one.name, () => void admin.does(() => admin.rest.remove(`residents/${one.uid}`))))];
}

/**
 * @param {Admin} admin
 * @param {Device} device
 */
function deviceRow(admin, device) {
  return [h('span', {}, device.name, ' ', h('code', {}, device.deviceId)), h('code', {}, device.uid), time(device.added), presence(device.online),
    sureButton('Revoke', `${device.name} of ${device.uid}`, () => void admin.does(() => admin.rest.remove(`devices/${device.deviceId}`)))];
}

/**
 * @param {Admin} admin
 * @param {Directory} directory
 * @param {Group} group
 */
function groupRow(admin, directory, group) {
  /** @returns {[string, string][]} */
  const others = () => directory.residents.filter(({ uid }) => !group.members.includes(uid)).map(({ uid, name }) => [uid, name]);
  const path = `groups/${group.guid}`;
  const members = group.members.map((uid) => {
    const name = directory.residents.find((one) => one.uid === uid)?.name ?? uid;
    return h('li', {}, name, ' ', sureButton('Take out', `${name} of ${group.name}`, () => void admin.does(() => admin.rest.remove(`${path}/members/${uid}`))));
  });
  const add = form(`Into ${group.name}`, [lateChoice('uid', 'Also', others)], 'Put in', ({ uid }) => void admin.does(() => admin.rest.put(`${path}/members/${uid}`)));
  return [group.name, h('code', {}, group.guid), h('div', {}, h('ul', {}, ...members), add),
    sureButton('Remove', group.name, () => void admin.does(() => admin.rest.remove(path)))];
}

/**
 * @param {Admin} admin
 * @param {Resident} one
 */
async function pair(admin, one) {
  /** @type {Pairing | null} */
  const made = await admin.tries(() => admin.rest.post(`residents/${one.uid}/pair`, { address: location.origin }));
  if (!made) return;
  const qr = h('img', { class: 'qr', alt: 'The pairing link as a QR code', src: `data:image/svg+xml,${encodeURIComponent(made.qr)}` });
  dialog(`A phone for ${one.name}`, qr, h('output', { class: 'secret' }, made.code),
    h('p', {}, `Scan it with the phone, or open ${location.origin} there and type the code. It is good once, for ${Math.round(made.expiresIn / 60)} minutes.`));
}
