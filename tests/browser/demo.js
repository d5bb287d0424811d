// Starts `doorward demo` on free ports: the real hub, a real door with a simulated panel, real media.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

const BINARY = process.env.DOORWARD ?? new URL('../../target/debug/doorward', import.meta.url).pathname;
const START_MS = 20_000;

export async function demo() {
  const child = spawn(BINARY, ['demo', '--port', '0', '--panel-port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  let said = '';
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  const links = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the demo did not start:\n${said}${log}`)), START_MS);
    child.stdout.on('data', (text) => {
      said += text;
      if (!said.includes('Ctrl-C')) return;
      clearTimeout(late);
      const of = (name) => new RegExp(`${name}\\s+(http\\S+)`).exec(said)[1];
      resolve({ panel: of('panel'), Anna: of('Anna'), Ben: of('Ben'), Clara: of('Clara') });
    });
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`the demo ended:\n${said}${log}`)));
  });
  return {
    ...links,
    log: () => log,
    async stop() {
      child.kill('SIGINT');
      await ended;
    },
  };
}

/** The door's panel in a page of its own. */
export async function panelOf(browser, { panel }) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(10_000);
  // What the door's speaker plays, as the panel is told.
  await page.addInitScript(() => {
    globalThis.told = { dbfs: -100, hertz: 0 };
    const Socket = globalThis.WebSocket;
    globalThis.WebSocket = class extends Socket {
      constructor(...words) {
        super(...words);
        this.addEventListener('message', ({ data }) => {
          const { shown } = JSON.parse(data);
          if (shown) globalThis.told = { dbfs: shown.speaker?.dbfs ?? -100, hertz: shown.speaker?.hertz ?? 0, status: shown.status };
        });
      }
    };
  });
  await page.goto(panel);
  const button = (label) => page.getByRole('button', { name: label });
  await button('Flat 1').waitFor();
  return {
    page,
    press: (label, milliseconds = 80) => button(label).click({ delay: milliseconds }),
    told: () => page.evaluate(() => globalThis.told),
  };
}
