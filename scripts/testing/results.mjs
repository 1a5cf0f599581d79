/** Adds up what ran, and says it. */

/**
 * The result of one suite from the lines that tests/support/runner.ts prints. A test that was there and never ended has failed,
 * and so has a process that ended badly though its tests passed, and a suite without any test.
 */
export function fromLines({ code, output, seconds }) {
  const names = { here: [], passed: [], failed: [] };
  const rest = [];
  for (const line of output.split(/\r?\n/)) {
    const match = /^#kvasm (here|passed|failed) (.*)$/.exec(line);
    if (match) names[match[1]].push(match[2]);
    else rest.push(line);
  }
  const failures = [...names.failed];
  const ended = [...names.passed, ...names.failed];
  for (const name of names.here) {
    const index = ended.indexOf(name);
    if (index >= 0) ended.splice(index, 1);
    else failures.push(`${name} (never finished)`);
  }
  if (names.here.length === 0) failures.push("(no test ran)");
  if (code !== 0 && failures.length === 0) failures.push(`(exit ${code})`);
  return { passed: names.passed.length, failures, seconds, details: rest.join("\n") };
}

export class Results {
  #rows = [];
  #leftOut = [];

  /** One suite in one runtime: { passed, failures: names, seconds, details }. */
  add(runtime, suite, result) {
    this.#rows.push({ runtime, suite, ...result });
    const { passed, failures, seconds, details } = result;
    const counts = failures.length === 0 ? `${passed} passed` : `${passed} passed, ${failures.length} FAILED`;
    console.log(`  ${runtime.padEnd(22)} ${suite.padEnd(24)} ${counts} (${seconds.toFixed(1)} s)`);
    if (failures.length > 0) {
      for (const name of failures) console.log(`    FAILED: ${name}`);
      console.log((details ?? "").split("\n").slice(-120).map((line) => `    | ${line}`).join("\n"));
    }
  }

  /** A suite or a runtime that could not be run here, and why. */
  leaveOut(what, why) {
    this.#leftOut.push({ what, why });
  }

  /** Prints minutes by suite, what was left out and the closing line; returns the number of failures. */
  close({ leftOutFails = false } = {}) {
    if (this.#rows.length === 0) this.add("none", "none", { passed: 0, failures: ["no suite of that name, or none for that runtime"], seconds: 0 });
    const minutes = new Map();
    for (const { suite, seconds } of this.#rows) minutes.set(suite, (minutes.get(suite) ?? 0) + seconds / 60);
    console.log("\nMinutes of each suite, over all runtimes:");
    for (const [suite, value] of [...minutes].sort((a, b) => b[1] - a[1])) console.log(`  ${value.toFixed(2).padStart(6)}  ${suite}`);
    for (const { what, why } of this.#leftOut) console.log(`${leftOutFails ? "FAILED, left out" : "Left out"}: ${what}: ${why}`);
    const passed = this.#rows.reduce((sum, row) => sum + row.passed, 0);
    const failed = this.#rows.reduce((sum, row) => sum + row.failures.length, 0) + (leftOutFails ? this.#leftOut.length : 0);
    console.log(`\n${passed} passed, ${failed} failed`);
    return failed;
  }
}
