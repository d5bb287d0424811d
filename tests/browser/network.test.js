// Media that stops in one direction only: the door hears the phone and believes that all is well, and the browser takes its time to
// doubt. The phone notices by itself and asks for a new connection. Runs in a network namespace of its own (tests/browser.rs).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { PATIENCE } from './house.js';
import { recovered, until } from './lib.js';
import { converse, inHouse, isAllQuiet } from './stage.js';

const nft = (...words) => execFileSync('nft', words);

inHouse('nothing reaches the phone any more: it asks for another connection, and stays in the call', { door: { ice: 'min-port = 50000\nmax-port = 50099' } }, async ({ house, panel, phone }) => {
  nft('add table inet faults');
  nft('add chain inet faults way { type filter hook input priority 0; }');
  const anna = await phone('anna');
  await panel.press();
  await anna.answer();
  await converse(panel, anna);
  const since = panel.statuses.length;
  const { made } = await anna.measure();
  nft('add', 'rule', 'inet', 'faults', 'way', 'udp', 'sport', '50000-50099', 'drop');
  const cut = performance.now();
  await until('another connection', async () => (await anna.measure()).made > made, PATIENCE);
  recovered('nothing reaches the phone, with Chromium', 'another connection asked for', cut);
  nft('flush', 'chain', 'inet', 'faults', 'way');
  const mended = performance.now();
  await converse(panel, anna);
  recovered('nothing reached the phone, with Chromium', 'picture and sound again', mended);
  assert.ok(panel.statuses.slice(since).every((status) => /^(Connecting|Ongoing)$/.test(status)), `the door stayed in the call: ${panel.statuses.slice(since)}`);
  await anna.tap('Hang up');
  await isAllQuiet(house, anna);
});
