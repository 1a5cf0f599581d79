/**
 * `npm run test:everywhere`: installs further runtimes and browsers (Debian on x86-64), and runs the same suites in all of them:
 * Node 20, 22, 24, 26, Deno, Bun, Chromium, Firefox; golden bits also on an emulated aarch64 and in wasmtime, an engine that is
 * no JavaScript engine; the kernels with relaxed SIMD; GGUF files also in llama.cpp; torch's files as torch writes them; tokenizers against Hugging Face's own; one cache of models for Python's huggingface_hub and kvasm; the packed package in each bundler, as docs/BUNDLERS.md shows it, and on edge runtimes, as docs/EDGE.md does. A suite left out is a failure. What one Node is enough for (the package, the oracle) is in npm test.
 *
 *   npm run test:everywhere -- [PATTERN] [--runtime NAME] [--after-test]     PATTERN: part of a suite's name; NAME: the beginning of a
 *   runtime's. --after-test: `npm test` has just run here, so what it has run (Deno, this Node's version, browsers that were installed) is not
 *   run again.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensure, install } from "./ensure.mjs";
import { main, root } from "./programs.mjs";
import { capture } from "./testing/processes.mjs";
import { fromLines, Results } from "./testing/results.mjs";
import { runInstalls } from "../tests/installs/run.mjs";
import { runPython } from "../tests/hub/python.mjs";
import { runTokenizers } from "../tests/tokenizers/run.mjs";
import { runBundlers } from "../tests/bundlers/run.mjs";
import { runEdge } from "../tests/edge/run.mjs";
import { runLongTasks } from "../tests/browser/long-tasks.mjs";
import { runThreadsPage } from "../tests/browser/threads-page.mjs";
import { bun, deno, findBrowsers, node } from "./testing/runtimes.mjs";
import { runInBrowsers, runInRuntimes } from "./testing/run-suites.mjs";
import { findSuites } from "./testing/suites.mjs";
import { installPython, installSystemPackages, writeTorchFiles } from "./testing/system.mjs";
import { runAsPect } from "./testing/toolchain.mjs";

const folder = join(root, "tests/runtimes");
const inFolder = (...parts) => join(folder, "node_modules", ...parts);

/** Runtimes that only show that the bits stay: one compiler tier alone, a processor without AVX, another processor. */
const golden = /^(golden|relaxed)$/;

/** What takes minutes and does not depend on the engine is run in the oldest and the newest Node, not in those between. */
const notLong = /^(?!torch-mutations|gguf-mutations|cli\.|hub-shelf|hub-cli|hub-processes|hub-faults|threads-faults)/;

/** GGUF files here and in a real llama.cpp; needs what tests/llamacpp/package.json names. */
const LLAMACPP = { name: "llamacpp", path: "tests/llamacpp/llamacpp.test.ts", kind: "llamacpp" };

/** What Debian's torch writes; tests/fixtures/torch has what a newer one wrote. */
const TORCH = { name: "torch-written", path: "tests/torch/torch-written.test.ts", kind: "torch" };

const RUNTIMES = [
  // First, for it takes minutes: `npm test` takes a part of the validation text.
  node("Node 24 whole", inFolder("node24/bin/node"), { kinds: ["node"], only: /^stories-validation/, env: { KVASM_WHOLE_VALIDATION: "1" } }),
  node("Node 22 llama.cpp", inFolder("node22/bin/node"), { kinds: [LLAMACPP.kind] }),
  node("Node 22 torch", inFolder("node22/bin/node"), { kinds: [TORCH.kind] }),
  ...[20, 26].map((version) => node(`Node ${version}`, inFolder(`node${version}/bin/node`))),
  ...[22, 24].map((version) => node(`Node ${version}`, inFolder(`node${version}/bin/node`), { only: notLong })),
  bun(inFolder("@oven/bun-linux-x64/bin/bun")),
  deno(),
  ...[20, 26].flatMap((version) => ["--liftoff-only", "--no-liftoff", "--no-enable-avx"].map((flag) => {
    return node(`Node ${version} ${flag}`, inFolder(`node${version}/bin/node`), { flags: [flag], only: golden });
  })),
  node("Node 24 aarch64", join(folder, "arm64/node_modules/node24/bin/node"), {
    prefix: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    only: golden,
  }),
];

async function timed(what, body) {
  const began = performance.now();
  await body();
  console.log(`${what}: ${((performance.now() - began) / 60_000).toFixed(1)} minutes.`);
}

main(import.meta.url, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { runtime: { type: "string" }, "after-test": { type: "boolean" } } });
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(`test:everywhere installs packages for Linux on x86-64 (Debian); this is ${process.platform} on ${process.arch}. npm test runs here.`);
  }
  const tested = values["after-test"] === true ? ["Deno", `Node ${process.versions.node.split(".")[0]}`] : [];
  const wanted = ({ name }) => !tested.includes(name) && (values.runtime === undefined || name.toLowerCase().startsWith(values.runtime.toLowerCase()));
  const testedBrowsers = values["after-test"] === true ? findBrowsers().filter(({ executablePath }) => executablePath !== undefined).map(({ name }) => name) : [];

  await ensure();
  let python;
  await timed("\nInstalling runtimes, browsers and llama.cpp", async () => {
    await Promise.all([
      install(join(root, "tests/llamacpp")),
      install(join(root, "tests/edge")),
      install(join(root, "tests/bundlers")),
      installSystemPackages().then(async () => {
        await writeTorchFiles();
        python = await installPython();
      }),
      install(folder).then(() => install(join(folder, "arm64"), ["--force", "--cpu=arm64"])),
    ]);
  });

  const results = new Results();
  const pattern = positionals[0] ?? "";
  const suites = [...findSuites(pattern), ...[LLAMACPP, TORCH].filter(({ name }) => name.includes(pattern))];
  const wasmtime = async () => results.add("wasmtime", "golden", fromLines(await capture(python, ["tests/engines/golden.py"])));
  const tokenizers = () => runTokenizers(python, results);
  const hub = () => runPython(python, results);
  const workerd = async () => results.add("workerd", "memory", fromLines(await capture(inFolder("node24/bin/node"), ["tests/edge/memory.mjs"])));
  const kernels = () => runAsPect(results, { relaxed: true, node: inFolder("node24/bin/node") });
  const first = [
    ...("kernels".includes(pattern) && wanted({ name: "as-pect" }) ? [kernels] : []),
    ...("golden".includes(pattern) && wanted({ name: "wasmtime" }) ? [wasmtime] : []),
    ...("installs".includes(pattern) && wanted({ name: "npm" }) ? [() => runInstalls(results)] : []),
    ...("tokenizers".includes(pattern) && wanted({ name: "tokenizers" }) ? [tokenizers] : []),
    ...("hub-python".includes(pattern) && wanted({ name: "python" }) ? [hub] : []),
    ...("memory".includes(pattern) && wanted({ name: "workerd" }) ? [workerd] : []),
  ];
  await timed("\nNode, Deno, Bun, wasmtime", () => runInRuntimes(suites, RUNTIMES.filter(wanted), results, { first, timeout: 600_000 }));
  await timed("\nBrowsers", async () => {
    const browsers = findBrowsers().filter(wanted).filter(({ name }) => !testedBrowsers.includes(name));
    for (const { name, executablePath } of browsers) {
      if (executablePath === undefined) results.leaveOut(`the portable suites in ${name}`, "no such browser is installed");
    }
    await runInBrowsers(suites, browsers.filter(({ executablePath }) => executablePath !== undefined), results, { pattern });
  });
  const chromium = findBrowsers().filter(wanted).find(({ browser, executablePath }) => browser === "chrome" && executablePath !== undefined);
  if ("long-tasks".includes(pattern) && chromium !== undefined) await timed("\nLong tasks of a page", () => runLongTasks(results, chromium));
  if ("threads-page".includes(pattern)) {
    await timed("\nThreads in pages", async () => {
      for (const browser of findBrowsers().filter(wanted).filter(({ executablePath }) => executablePath !== undefined)) await runThreadsPage(results, browser);
    });
  }
  if ("bundlers".includes(pattern)) {
    const browsers = findBrowsers().filter(wanted).filter(({ executablePath }) => executablePath !== undefined);
    await timed("\nBundlers", () => runBundlers(results, browsers));
  }
  if ("edge".includes(pattern) && wanted({ name: "edge" })) await timed("\nEdge runtimes", () => runEdge(results));
  if (results.close({ leftOutFails: true }) > 0) process.exitCode = 1;
});
