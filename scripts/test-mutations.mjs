/**
 * `npm run test:mutations`: wrong programs that a suite must catch (tests/mutations/list.mjs), each built and tested in a copy of this
 * repository. A mutation that nothing catches fails, and so does one that does not build: it would prove nothing.
 *
 *   npm run test:mutations -- [--short] [PATTERN]     --short: the few of continuous integration; PATTERN: part of a mutation's name
 */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { parseArgs } from "node:util";
import { MUTATIONS } from "../tests/mutations/list.mjs";
import { ensure } from "./ensure.mjs";
import { main, root } from "./programs.mjs";
import { capture } from "./testing/processes.mjs";

const copy = join(root, "build/mutations");
/** Not part of a clone, or not needed by a suite that runs in one Node. */
const LEFT_OUT = /^(\.git|build|node_modules|models\/training|bench\/peers|.*\/node_modules)$/;

function copyRepository() {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const name of ["assembly", "bench", "bindings", "dist", "docs", "examples", "models", "scripts", "tests"]) {
    cpSync(join(root, name), join(copy, name), {
      recursive: true, preserveTimestamps: true, filter: (path) => !LEFT_OUT.test(relative(root, path).split(sep).join("/")),
    });
  }
  for (const name of ["asconfig.json", "deno.json", "package.json", "package-lock.json", "tsconfig.json", "README.md", "LICENSE"]) {
    cpSync(join(root, name), join(copy, name), { preserveTimestamps: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction");
}

/** Builds the copy and runs suites in this Node; says which tests failed. */
async function test(suite) {
  const { code, output } = await capture(process.execPath, [join(copy, "scripts/test.mjs"), suite, "--runtime", "node"], { timeout: 300_000 });
  const failed = [...output.matchAll(/^ {4}FAILED: (.*)$/gm)].map(([, name]) => name);
  return { code, output, failed: failed.filter((name) => !name.startsWith("(")) };
}

async function caught({ file, from, to, suite }) {
  const path = join(copy, file);
  const text = readFileSync(path, "utf8");
  if (text.split(from).length !== 2) return { error: `${file} has what is to be replaced ${text.split(from).length - 1} times` };
  writeFileSync(path, text.replace(from, () => to));
  try {
    const { code, output, failed } = await test(suite);
    if (failed.length > 0) return { by: failed };
    return { error: code === 0 ? `no test of ${suite} fails` : `it does not build or run:\n${output.slice(-2000)}` };
  } finally {
    writeFileSync(path, text);
  }
}

main(import.meta.url, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { short: { type: "boolean" } } });
  const mutations = MUTATIONS.filter(({ name, short }) => (short || !values.short) && name.includes(positionals[0] ?? ""));
  const began = performance.now();
  await ensure();
  copyRepository();
  let [passed, failed] = [0, 0];
  const say = (isRight, what) => {
    console.log(`  ${isRight ? "" : "FAILED: "}${what}`);
    if (isRight) passed++;
    else failed++;
  };
  for (const suite of new Set(mutations.map(({ suite }) => suite))) {
    const { code, output } = await test(suite);
    say(code === 0, code === 0 ? `${suite} passes without a mutation` : `${suite} does not pass without a mutation:\n${output.slice(-2000)}`);
  }
  for (const mutation of mutations) {
    const { by, error } = await caught(mutation);
    say(by !== undefined, by === undefined ? `${mutation.name}: ${error}` : `${mutation.name}: caught by ${by[0]}${by.length > 1 ? ` and ${by.length - 1} more` : ""}`);
  }
  console.log(`\nMutations tried in ${((performance.now() - began) / 60_000).toFixed(1)} minutes.\n${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
});
