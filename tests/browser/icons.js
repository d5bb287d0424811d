// Draws the PNG icons of the app from its SVG icon. Run it after the SVG changed: node icons.js

import { readFile } from 'node:fs/promises';
import { launch } from './lib.js';

const FOLDER = new URL('../../app/icons/', import.meta.url).pathname;
const svg = await readFile(`${FOLDER}icon.svg`, 'utf8');
const browser = await launch();
// A maskable icon is cut by the phone: its ground goes to the edges, its drawing stays in the middle.
const maskable = svg.replace('rx="112"', '').replace('viewBox="0 0 512 512"', 'viewBox="0 0 512 512" overflow="hidden"');
for (const [name, size, source] of [['icon-180', 180, maskable], ['icon-192', 192, svg], ['icon-512', 512, svg], ['maskable-512', 512, maskable]]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>body{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${source}`);
  await page.screenshot({ path: `${FOLDER}${name}.png`, omitBackground: true });
}
await browser.close();
