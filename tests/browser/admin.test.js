// The administrator's page with a real hub: a house is set up, a phone is paired by the page's code, what happened is found and
// exported, what is taken away is gone.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { House } from './house.js';
import { DESKTOP, PHONE, expectNoFaults, launch, resident, screenshot } from './lib.js';

let browser;
let house;
let people;
before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  house = await House.open();
  people = [];
});
afterEach(async () => {
  try {
    expectNoFaults(...people);
  } finally {
    for (const context of browser.contexts()) await context.close();
    await house.close();
  }
});

const button = (page, name) => page.getByRole('button', { name, exact: true });
const row = (page, word) => page.locator('tr').filter({ hasText: word });

/** An administrator at the page, logged in. */
async function administrator(viewport = DESKTOP) {
  const credential = await house.administrator('olga');
  const one = await resident(browser, house.address, { path: '/admin', viewport });
  people.push(one);
  const { page } = one;
  await page.getByLabel('Administrator’s credential').fill(credential);
  await button(page, 'Log in').click();
  await page.getByRole('heading', { name: 'Doors' }).waitFor();
  return page;
}

async function download(page, word) {
  const [file] = await Promise.all([page.waitForEvent('download'), button(page, word).click()]);
  return readFileSync(await file.path(), 'utf8');
}

test('a wrong credential is said, and shows nothing', async () => {
  const one = await resident(browser, house.address, { path: '/admin/', viewport: DESKTOP });
  people.push(one);
  const { page } = one;
  await page.getByLabel('Administrator’s credential').fill(`dwa1.olga.${'A'.repeat(43)}`);
  await button(page, 'Log in').click();
  await page.getByRole('status').filter({ hasText: 'no administrator' }).waitFor();
  assert.equal(await page.getByText('Front door').count(), 0);
  await screenshot(page, 'admin-login');
});

test('a house is run from the page', async () => {
  const page = await administrator();
  const door = page.locator('[data-door="front-door"]');
  await door.getByText('● online').waitFor();

  // A resident, a group, a phone by the code on the page.
  await button(page, 'Residents').click();
  const add = page.getByRole('form', { name: 'New resident' });
  await add.getByLabel('Short name').fill('dora');
  await add.getByLabel('Name', { exact: true }).fill('Dora <b>D</b>');
  await add.getByLabel('Group').selectOption('flat-1');
  await button(page, 'Add resident').click();
  await row(page, 'dora').getByRole('button', { name: 'Pair a phone' }).click();
  const code = await page.locator('dialog output').innerText();
  await page.locator('dialog img.qr').evaluate((image) => image.decode());
  await screenshot(page, 'admin-pairing');
  await button(page, 'Close').click();
  const phone = await resident(browser, house.address, { path: `/#pair=${code}` });
  people.push(phone);
  await phone.page.getByText('Front door').first().waitFor();

  // The phone rings, nobody answers, the visitor leaves: it stands in the log and at the door.
  await house.panel.press('flat-1');
  await phone.page.locator('.call[data-phase="ringing"]').waitFor();
  await house.panel.stands('Ringing');
  await new Promise((resolve) => setTimeout(resolve, 3200)); // A second press within three seconds only repeats the first.
  await house.panel.press('flat-1');
  await house.panel.stands('Outcome(Cancelled');
  await button(page, 'Calls').click();
  await row(page, 'cancelled').waitFor();
  await page.getByLabel('Status').selectOption('ended');
  await page.getByText('Nothing that fits').waitFor();
  await page.getByLabel('Status').selectOption('cancelled');
  await row(page, 'Flat 1').waitFor();
  await screenshot(page, 'admin-calls');
  const [head, call] = (await download(page, 'Export CSV')).split('\r\n');
  assert.match(head, /^time,door,receiver,/);
  assert.match(call, /,front-door,flat-1,Flat 1,cancelled,/);
  assert.equal(JSON.parse(await download(page, 'Export JSON'))[0].status, 'cancelled');

  // Who did it stands in the trail, and no code and no credential does.
  await button(page, 'Audit').click();
  await row(page, 'residentAdded').filter({ hasText: 'administrator olga' }).filter({ hasText: 'dora' }).waitFor();
  const trail = await download(page, 'Export JSON');
  assert.ok(!trail.includes(code) && !trail.includes('dwa1.'));
  await screenshot(page, 'admin-audit');
  await page.getByLabel('Of').selectOption('front-door');
  await row(page, 'started').first().waitFor();

  // Nobody opens by this button any more, and the phone is taken away at once.
  await button(page, 'Doors').click();
  await door.getByText('Last call').waitFor();
  await door.locator('li').filter({ hasText: 'Flat 1' }).getByLabel('may open').uncheck();
  await screenshot(page, 'admin-doors');
  await button(page, 'Residents').click();
  // Of many one finds the one; and what was looked for stays when something changed.
  await page.getByLabel('Find').fill('DORA');
  await row(page, 'clara').first().waitFor({ state: 'hidden' });
  await row(page, 'dora').first().waitFor();
  const device = row(page, 'dora').filter({ has: page.getByText('● online') }).last();
  await device.getByRole('button', { name: /^Revoke/ }).click();
  await device.getByRole('button', { name: /^Really revoke/ }).click();
  await phone.page.getByLabel('Pairing code').waitFor();
  await button(page, 'Doors').click();
  assert.equal(await door.locator('li').filter({ hasText: 'Flat 1' }).getByLabel('may open').isChecked(), false);
  // And it may ring one more, from the list that is filled when somebody chooses.
  const whom = door.getByLabel('May also ring');
  await whom.focus();
  await whom.selectOption('users/anna');
  await door.getByRole('button', { name: 'Allow' }).click();
  await door.locator('li').filter({ hasText: 'rings Anna' }).waitFor();
  await button(page, 'Log out').click();
  await page.reload();
  await page.getByLabel('Administrator’s credential').waitFor();
});

test('the page can be used on a phone', async () => {
  const page = await administrator(PHONE);
  await button(page, 'Residents').click();
  await row(page, 'anna').getByRole('button', { name: 'Pair a phone' }).waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(wide, false, 'nothing sticks out');
  const tabs = await page.locator('.tab').evaluateAll((tabs) => new Set(tabs.map((tab) => tab.getBoundingClientRect().top)).size);
  assert.equal(tabs, 1, 'the screens stand in one row');
  await screenshot(page, 'admin-phone');
});

test('a building with two thousand flats can be looked at', async () => {
  const page = await administrator();
  const directory = await (await page.request.get(`${house.address}/v1/admin/directory`, { headers: { authorization: `Bearer ${await page.evaluate(() => sessionStorage.getItem('doorward-administrator'))}` } })).json();
  const flats = Array.from({ length: 2000 }, (_, at) => at);
  directory.groups.push(...flats.map((at) => ({ guid: `home-${at}`, name: `Home ${at}`, joinable: false, members: [`guest-${at}`] })));
  directory.residents.push(...flats.map((at) => ({ uid: `guest-${at}`, name: `Guest ${at}`, groups: [`home-${at}`], online: false })));
  await page.route('**/v1/admin/directory', (route) => route.fulfill({ json: directory }));
  await button(page, 'Residents').click();
  await page.getByText('1903 more: find them above').waitFor();
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  assert.ok(nodes < 8000, `${nodes} elements`);
  await page.getByLabel('Find').fill('home 1999');
  await row(page, 'guest-1999').first().waitFor();
  assert.equal(await page.locator('table').first().locator('tbody tr').count(), 1);
  await screenshot(page, 'admin-many');
});
