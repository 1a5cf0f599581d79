/**
 * Threads under faults at seeded random points: node tests/threads/faults.mjs [RUNS, default 1000] [SEED]
 *
 * Each run loads a small model on 2 to 4 threads while something is wrong (no SharedArrayBuffer, no memory, a script that is absent, throws or
 * does nothing), or generates while something happens (an abort, a dispose, a worker that is killed). Each ends in the bits of one thread
 * or in a typed error, within its deadline; then the process ends by itself.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const { load, KvasmError } = await import(new URL("../../dist/index.js", import.meta.url).href);
const runs = Number(process.argv[2] ?? 1000);
let state = Number(process.argv[3] ?? 20261127);
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};

const script = (text) => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
const source = fileURLToPath(new URL("../fixtures/base/", import.meta.url));
const PROMPT = [1, 2, 3, 4, 5];

/** Workers that were started since the last run began. */
let workers = [];
process.on("worker", (worker) => workers.push(worker));

async function idsOf(model, { signal, at = () => {} } = {}) {
  const ids = [];
  for await (const { id } of model.generate(PROMPT, { maxTokens: 12, temperature: 0.9, seed: 7, ignoreEos: true, signal })) {
    ids.push(id);
    await at(ids.length);
  }
  return ids;
}

const one = await load(source);
const expected = await idsOf(one);
one.dispose();

async function replaced(object, name, value, body) {
  const before = object[name];
  object[name] = value;
  try {
    return await body();
  } finally {
    object[name] = before;
  }
}

/** What loads in spite of the fault, on one thread. */
const alone = (options) => async (threads) => {
  const model = await load(source, { threads, ...options });
  assert.equal(model.threads.used, 1);
  assert.ok(model.threads.reason.length > 10);
  assert.deepEqual(await idsOf(model), expected);
  model.dispose();
};

/** Something that happens while it generates; `happens` gets the number of tokens so far. */
const during = (happens, code) => async (threads) => {
  const model = await load(source, { threads });
  assert.equal(model.threads.used, threads);
  const controller = new AbortController();
  const moment = 1 + random(10);
  try {
    const ids = await idsOf(model, { signal: controller.signal, at: (count) => count === moment && happens(model, controller) });
    assert.deepEqual(ids, expected);
  } catch (error) {
    if (code === "abort") assert.equal(error, "enough");
    else assert.ok(KvasmError.is(error) && error.code === code, String(error?.stack ?? error));
  }
  model.dispose();
};

/** Name, share of the runs, what is done. Those that have to wait for a deadline are rare. */
const FAULTS = [
  ["nothing", 20, during(() => {}, "none")],
  ["no SharedArrayBuffer", 15, (threads) => replaced(globalThis, "SharedArrayBuffer", undefined, () => alone({})(threads))],
  ["no shared memory", 15, (threads) => replaced(WebAssembly, "Memory", class extends WebAssembly.Memory {
    constructor(descriptor) {
      if (descriptor.initial > 2) throw new RangeError("could not allocate memory");
      super(descriptor);
    }
  }, () => alone({})(threads))],
  ["a script that is absent", 15, alone({ workerUrl: new URL("file:///nowhere/worker.mjs") })],
  ["a script that throws", 15, alone({ workerUrl: script("throw new Error('broken')") })],
  ["a script that ends", 10, alone({ workerUrl: script("process.exit(0)") })],
  ["a script that does nothing", 1, alone({ workerUrl: script("setInterval(() => {}, 1000)") })],
  ["an abort", 20, during((_, controller) => controller.abort("enough"), "abort")],
  ["a dispose", 20, during((model) => model.dispose(), "disposed")],
  ["a worker that is killed", 2, during(() => void workers[random(workers.length)].terminate(), "worker")],
];
const total = FAULTS.reduce((sum, [, share]) => sum + share, 0);

const counts = {};
for (let run = 0; run < runs; run++) {
  let at = random(total);
  const [name, , body] = FAULTS.find(([, share]) => (at -= share) < 0);
  workers = [];
  const began = performance.now();
  try {
    await body(2 + random(3));
  } catch (error) {
    error.message = `run ${run}, ${name}: ${error.message}`;
    throw error;
  }
  assert.ok(performance.now() - began < 30_000, `run ${run}, ${name}: took ${performance.now() - began} ms`);
  counts[name] = (counts[name] ?? 0) + 1;
  if (process.stderr.isTTY) process.stderr.write(`\r${run + 1} of ${runs}`);
}
console.log(`${runs} runs: ${Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ")}`);
