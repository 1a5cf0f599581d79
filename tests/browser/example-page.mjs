/** Uses examples/browser/ as a visitor does, and compares its story with the one that this Node writes. */
import assert from "node:assert/strict";

const TOKENS = 24;
const LIMIT = { timeout: 60_000, polling: 50 };

const set = (page, id, value) => page.$eval(`#${id}`, (input, text) => { input.value = text; }, String(value));
const click = (page, id) => page.$eval(`#${id}`, (button) => button.click());
const read = (page, id) => page.$eval(`#${id}`, (element) => element.textContent);
const status = (page, text) => page.waitForFunction((wanted) => document.getElementById("status").textContent.includes(wanted), LIMIT, text);

/** Each a test of its own, in this order on one page. `story` is what a Node wrote with the page's own settings. */
const tests = {
  "writes the same story as Node": async (page, story) => {
    await status(page, "Ready");
    await set(page, "maxTokens", TOKENS);
    await click(page, "write");
    await status(page, `${TOKENS} tokens with seed 49`);
    assert.equal(await read(page, "given"), "Once upon a time");
    assert.equal(await read(page, "text"), story);
    assert.match(await read(page, "decode"), /^\d+ tokens\/s$/);
  },
  "finds every bit again": async (page) => {
    await click(page, "verify");
    await page.waitForFunction(() => /^the same in \d+ ways/.test(document.getElementById("identical").textContent), LIMIT);
  },
  "stops": async (page) => {
    await set(page, "maxTokens", 480);
    await click(page, "write");
    await page.waitForFunction(() => document.getElementById("text").textContent.length > 20, LIMIT);
    await click(page, "stop");
    await status(page, "stopped");
    const stopped = await read(page, "text");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(await read(page, "text"), stopped);
    assert.equal(await page.$eval("#write", (button) => button.disabled), false);
  },
  "does not send what cannot be": async (page) => {
    const before = await read(page, "status");
    await set(page, "temperature", -1);
    await click(page, "write");
    assert.equal(await page.$eval("#form", (form) => form.checkValidity()), false);
    assert.equal(await read(page, "status"), before);
    await set(page, "temperature", 0.8);
  },
  "shows an error as one sentence": async (page) => {
    // The worker says of itself what it refuses: as many tokens as the context cannot hold.
    await set(page, "prompt", "and ".repeat(600));
    await set(page, "maxTokens", 5);
    await click(page, "write");
    await page.waitForFunction(() => document.getElementById("status").classList.contains("error"), LIMIT);
    assert.match(await read(page, "status"), /context/);
    assert.equal(await page.$eval("#write", (button) => button.disabled), false);
  },
};

/** The result of a suite, as run.mjs has them. */
export async function runExamplePage(browser, origin) {
  const began = performance.now();
  const failures = [];
  const details = [];
  const page = await browser.newPage();
  try {
    page.on("pageerror", (error) => details.push(String(error)));
    await page.goto(`${origin}/examples/browser/`);
    const story = await writtenHere();
    for (const [name, test] of Object.entries(tests)) {
      try {
        await test(page, story);
      } catch (error) {
        failures.push(name);
        details.push(`${name}: ${error.message}; the page says: ${await read(page, "status").catch(String)}`);
      }
    }
    if (failures.length === 0 && details.length > 0) failures.push("(errors of the page)");
  } finally {
    await page.close().catch(() => {});
  }
  const passed = Object.keys(tests).filter((name) => !failures.includes(name)).length;
  return { passed, failures, seconds: (performance.now() - began) / 1000, details: details.join("\n") };
}

async function writtenHere() {
  const { load } = await import("../../dist/index.js");
  const model = await load();
  let story = "";
  for await (const { text } of model.generate("Once upon a time", { seed: 49, temperature: 0.8, topK: 40, maxTokens: TOKENS })) story += text;
  model.dispose();
  return story;
}
