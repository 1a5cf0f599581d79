/** Compiles suites and runs them in runtimes and browsers, adding to Results. */
import { availableParallelism } from "node:os";
import { compileSuite } from "./suites.mjs";
import { capture, pool } from "./processes.mjs";
import { fromLines } from "./results.mjs";

/** Compiled files by suite name; a suite that does not compile is a failure. */
async function compileAll(suites, host, results) {
  const files = new Map();
  await Promise.all(suites.map(async (suite) => {
    try {
      files.set(suite.name, await compileSuite(suite, host));
    } catch (error) {
      results.add("esbuild", suite.name, { passed: 0, failures: [`(${host}: does not compile)`], seconds: 0, details: error.message });
    }
  }));
  return files;
}

/** `first`: jobs that begin before the suites do. */
export async function runInRuntimes(suites, runtimes, results, { timeout, first = [] } = {}) {
  const files = await compileAll(suites, "host", results);
  const jobs = runtimes.flatMap((runtime) => suites
    .filter(({ name, kind }) => files.has(name) && runtime.kinds.includes(kind) && (runtime.only?.test(name) ?? true))
    .map(({ name, kind }) => async () => {
      const { command, args, env } = runtime.command(files.get(name), kind);
      results.add(runtime.name, name, fromLines(await capture(command, args, { env, timeout })));
    }));
  await pool(availableParallelism(), [...first, ...jobs]);
}

/** The portable suites and the pages of tests/browser in browsers: [{ name, browser, executablePath }]. */
export async function runInBrowsers(suites, browsers, results, { pattern = "" } = {}) {
  if (browsers.length === 0) return;
  const files = await compileAll(suites.filter(({ kind }) => kind === "portable"), "browser", results);
  const { EXAMPLE_PAGE, FORBIDDEN_PAGE, HUB_PAGE, installDriver, runBrowser } = await import("../../tests/browser/run.mjs");
  const examplePage = EXAMPLE_PAGE.includes(pattern);
  const forbiddenPage = FORBIDDEN_PAGE.includes(pattern);
  const hubPage = HUB_PAGE.includes(pattern);
  if (files.size === 0 && !examplePage && !forbiddenPage && !hubPage) return;
  await installDriver();
  await Promise.all(browsers.map((browser) => runBrowser(browser, files, { examplePage, forbiddenPage, hubPage }, (suite, result) => results.add(browser.name, suite, result))));
}
