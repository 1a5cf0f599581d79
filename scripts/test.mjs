/**
 * `npm test`: everything that can be tested with what every clone has: types, as-pect, all suites in this Node and in Deno (from
 * npm), and the portable ones in each browser that is installed.
 *
 *   npm test -- [PATTERN] [--runtime node|deno|chromium|firefox]     PATTERN: part of a suite's name
 */
import { parseArgs } from "node:util";
import { ensure } from "./ensure.mjs";
import { main } from "./programs.mjs";
import { Results } from "./testing/results.mjs";
import { deno, findBrowsers, node } from "./testing/runtimes.mjs";
import { runInBrowsers, runInRuntimes } from "./testing/run-suites.mjs";
import { findSuites, removeStale } from "./testing/suites.mjs";
import { checkTypes, hasRelaxedSimd, runAsPect } from "./testing/toolchain.mjs";

main(import.meta.url, async () => {
  const began = performance.now();
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { runtime: { type: "string" } } });
  const pattern = positionals[0] ?? "";
  const wanted = ({ name }) => values.runtime === undefined || name.toLowerCase().startsWith(values.runtime.toLowerCase());

  await ensure();
  const results = new Results();
  removeStale();
  const suites = findSuites(pattern);
  const everything = pattern === "" && values.runtime === undefined;

  const runtimes = [node("Node", process.execPath, { kinds: ["portable", "host", "node", "once"] }), deno()].filter(wanted);
  const toolchain = everything ? [() => checkTypes(results), () => runAsPect(results)] : [];
  if (everything && hasRelaxedSimd()) toolchain.push(() => runAsPect(results, { relaxed: true }));
  else if (everything) results.leaveOut("as-pect with relaxed SIMD", "this Node has none");
  await runInRuntimes(suites, runtimes, results, { first: toolchain });

  const browsers = findBrowsers().filter(wanted);
  for (const { name, executablePath } of browsers) {
    if (executablePath === undefined) results.leaveOut(`the portable suites in ${name}`, "no such browser is installed here");
  }
  await runInBrowsers(suites, browsers.filter(({ executablePath }) => executablePath !== undefined), results, { pattern });

  console.log(`\nTested in ${((performance.now() - began) / 60_000).toFixed(1)} minutes.`);
  if (results.close() > 0) process.exitCode = 1;
});
