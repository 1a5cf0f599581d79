/** The browsers of this machine, each opened once. */
const LIMIT = 60_000;

export class Browsers {
  constructor(all) {
    this.all = all;
  }

  static async launch(found) {
    const { default: puppeteer } = await import("../browser/node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js");
    const all = [];
    for (const { name, browser: kind, executablePath } of found) {
      // Chromium's sandbox does not start for root, as whom containers run.
      const args = kind === "chrome" && process.getuid?.() === 0 ? ["--no-sandbox"] : [];
      const browser = await puppeteer.launch({ browser: kind, executablePath, headless: true, args, timeout: 60_000 });
      all.push({ name, read: (url, ids, script) => read(browser, url, ids, script), close: () => browser.close() });
    }
    return new Browsers(all);
  }

  close() {
    return Promise.all(this.all.map((browser) => browser.close().catch(() => {})));
  }
}

/** Opens an address, runs `script` in the page and resolves to what the elements of these ids hold when each has something, in a profile of its own. */
async function read(browser, url, ids, script) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  try {
    await page.goto(url, { timeout: LIMIT });
    if (script !== undefined) await page.evaluate(script);
    await page.waitForFunction((names) => names.every((id) => document.getElementById(id)?.textContent), { timeout: LIMIT, polling: 100 }, ids)
      .catch((error) => errors.push(error.message));
    const texts = await page.evaluate((names) => Object.fromEntries(names.map((id) => [id, document.getElementById(id)?.textContent ?? null])), ids);
    if (errors.length > 0) throw new Error(`${errors.join("; ")}: ${JSON.stringify(texts)}`);
    return texts;
  } finally {
    await page.close().catch(() => {});
    await context.close().catch(() => {});
  }
}
