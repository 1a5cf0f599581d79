/** Drives a browser through compiled suites, each in a page of its own. */
import { fileURLToPath } from "node:url";
import { install } from "../../scripts/ensure.mjs";
import { runExamplePage } from "./example-page.mjs";
import { runForbiddenPage } from "./forbidden-page.mjs";
import { runHubPage } from "./hub-page.mjs";
import { startServer } from "./server.mjs";

const SUITE_LIMIT = 240_000;

function resultOf({ lines, errors, done }, seconds) {
  const failed = lines.filter(({ state }) => state === "failed");
  const ended = lines.filter(({ state }) => state !== "here").map(({ name }) => name);
  const failures = failed.map(({ name }) => name);
  for (const { state, name } of lines) {
    if (state === "here" && !ended.includes(name)) failures.push(`${name} (never finished)`);
  }
  if (!done && failures.length === 0) failures.push("(the page did not finish)");
  if (errors.length > 0) failures.push("(errors of the page)");
  if (lines.length === 0) failures.push("(no test ran)");
  const details = [...failed.map(({ name, error }) => `${name}\n${error}`), ...errors].join("\n");
  return { passed: lines.filter(({ state }) => state === "passed").length, failures, seconds, details };
}

async function runSuite(browser, origin, file) {
  const began = performance.now();
  const page = await browser.newPage();
  const errors = [];
  page.on("error", (error) => errors.push(`the page crashed: ${error.message}`));
  try {
    await page.goto(`${origin}/tests/browser/page.html?suite=${file}`, { timeout: 30_000 });
    try {
      await page.waitForFunction("window.kvasmResults?.done === true", { timeout: SUITE_LIMIT, polling: 100 });
    } catch (error) {
      errors.push(error.message);
    }
    const results = await page.evaluate("window.kvasmResults ?? { lines: [], errors: [], done: false }");
    return resultOf({ ...results, errors: [...results.errors, ...errors] }, (performance.now() - began) / 1000);
  } catch (error) {
    return { passed: 0, failures: ["(the page)"], seconds: (performance.now() - began) / 1000, details: [error.message, ...errors].join("\n") };
  } finally {
    await page.close().catch(() => {});
  }
}

/** The suite that is no file of tests/suites: examples/browser, used as a visitor does. */
export const EXAMPLE_PAGE = "example-page";
/** Likewise: a page that is not allowed to run WebAssembly. */
export const FORBIDDEN_PAGE = "forbidden-page";
/** Likewise: pages that load a model of a hub. */
export const HUB_PAGE = "hub-page";

export const installDriver = () => install(fileURLToPath(new URL(".", import.meta.url)).replace(/[\\/]$/, ""));

/** `files` maps a suite's name to its path from the root; `tell(suite, result)` is called for each. The driver must be installed. */
export async function runBrowser({ browser: kind, executablePath }, files, { examplePage, forbiddenPage, hubPage }, tell) {
  const { default: puppeteer } = await import("puppeteer-core");
  const server = await startServer();
  // Chromium's sandbox does not start for root, as whom containers run.
  const args = kind === "chrome" && process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  let browser;
  try {
    browser = await puppeteer.launch({ browser: kind, executablePath, headless: true, args, timeout: 60_000, protocolTimeout: SUITE_LIMIT + 60_000 });
    for (const [suite, file] of files) tell(suite, await runSuite(browser, server.origin, file));
    if (forbiddenPage) tell(FORBIDDEN_PAGE, await runForbiddenPage(browser, server.origin));
    if (hubPage) tell(HUB_PAGE, await runHubPage(browser, server.origin));
    if (examplePage) tell(EXAMPLE_PAGE, await runExamplePage(browser, server.origin));
  } catch (error) {
    tell("(start)", { passed: 0, failures: ["the browser does not start"], seconds: 0, details: error.message });
  } finally {
    await browser?.close().catch(() => {});
    await server.close();
  }
}
