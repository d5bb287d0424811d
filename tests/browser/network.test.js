// Networks that lose: media that stops in one direction only, where the door hears the phone and believes that all is well, and the
// browser takes its time to doubt, so that the phone notices by itself and asks for a new connection; and a part of all packets.
// Runs in a network namespace of its own (tests/browser.rs).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before } from 'node:test';
import { PATIENCE } from './house.js';
import { recovered, until } from './lib.js';
import { converse, inHouse, isAllQuiet } from './stage.js';

const nft = (...words) => execFileSync('nft', words);

before(() => {
  nft('add table inet faults');
  nft('add chain inet faults way { type filter hook input priority 0; }');
});

inHouse('nothing reaches the phone any more: it asks for another connection, and stays in the call', { door: { ice: 'min-port = 50000\nmax-port = 50099' } }, async ({ house, panel, phone }) => {
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

inHouse('one packet in ten is lost: two phones see the door, and one talks with it', { door: { ice: 'min-port = 50000\nmax-port = 50099' } }, async ({ house, panel, phone }) => {
  for (const way of ['sport', 'dport']) nft('add', 'rule', 'inet', 'faults', 'way', 'udp', way, '50000-50099', 'numgen', 'random', 'mod', '100', '<', '10', 'drop');
  const [anna, ben] = [await phone('anna'), await phone('ben')];
  await panel.press();
  await Promise.all([anna.sees(), ben.sees()]);
  await anna.answer();
  await converse(panel, anna);
  await ben.isClosed();
  const [before, begun] = [await anna.measure(), performance.now()];
  await until('a hundred pieces of sound more', async () => (await anna.measure()).audioReceived > before.audioReceived + 100, PATIENCE);
  const [after, seconds] = [await anna.measure(), (performance.now() - begun) / 1000];
  const rate = (what) => ((after[what] - before[what]) / seconds).toFixed(1);
  console.log(`10 % loss, with Chromium: ${rate('framesDecoded')} pictures and ${rate('audioReceived')} packets of sound a second`);
  assert.ok(after.framesDecoded > before.framesDecoded);
  assert.equal(after.made, 1, 'it is the same connection');
  await converse(panel, anna);
  nft('flush', 'chain', 'inet', 'faults', 'way');
  await anna.tap('Hang up');
  await isAllQuiet(house, anna, ben);
});
