/** connect with a worker that the caller made: several lines to one worker, workers that are up already, that cannot start, that are ended. */
import { connect } from "../../bindings/entries/worker.ts";
import type { AnyWorker, RemoteModel } from "../../bindings/entries/worker.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { checkpointFiles } from "../support/reference.ts";
import { startWorker } from "../support/workers.ts";

const SCRIPT = "dist/worker-script.js";
const IDS = [1, 5, 60, 7];

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function withWorker(use: (worker: AnyWorker) => Promise<void>, script = SCRIPT): Promise<void> {
  const worker = await startWorker(script);
  try {
    await use(worker);
  } finally {
    await worker.terminate();
  }
}

async function logits(model: RemoteModel): Promise<Float32Array> {
  const sequence = await model.sequence();
  const result = await sequence.prefill(IDS);
  await sequence.dispose();
  return result;
}

describe("a worker of the caller's own", () => {
  it("serves one line after another, also when it has been up for long", () => withWorker(async (worker) => {
    await pause(1000); // what it says when it comes up is lost by now
    const files = await checkpointFiles("odd");
    const first = await connect(files, { worker, deadline: 10_000 });
    const expected = await logits(first);
    await first.dispose();
    await rejectsKvasm(() => first.sequence(), "disposed");
    const second = await connect(files, { worker, deadline: 10_000 });
    sameBits(await logits(second), expected);
    await second.dispose();
  }));

  it("serves two lines at a time, each with its own model and sizes", () => withWorker(async (worker) => {
    const files = await checkpointFiles("odd");
    const [small, large] = await Promise.all([
      connect(files, { worker, contextLength: 16, maxSequences: 1 }), connect(files, { worker, contextLength: 17, maxSequences: 2 }),
    ]);
    assert.deepEqual([small.contextLength, small.pages, large.contextLength, large.pages], [16, 1, 17, 4]);
    const both = await Promise.all([small, large].map(async (model) => {
      const all = [];
      for await (const { id } of model.generate(IDS, { maxTokens: 8, seed: 3, ignoreEos: true })) all.push(id);
      return all;
    }));
    assert.deepEqual(both[0], both[1]);
    await rejectsKvasm(async () => (await small.sequence()).prefill(Array(17).fill(1)), "context");
    await small.dispose();
    assert.equal((await logits(large)).length, large.config.vocab_size);
    await large.dispose();
  }));

  it("that was never there is an error with a reason, before the deadline", async () => {
    // Deno ends the whole process for a worker whose module is not found, whoever listens.
    if ("Deno" in globalThis) return;
    const began = Date.now();
    await withWorker(async (worker) => {
      await rejectsKvasm(() => connect(undefined, { worker, deadline: 30_000 }), "worker");
    }, "tests/nowhere.js");
    assert.ok(Date.now() - began < 20_000);
  });

  it("that does not answer is waited for no longer than until an abort", () => withWorker(async (worker) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort("enough"), 50);
    await assert.rejects(connect(undefined, { worker: mute(worker), signal: controller.signal }), (error) => error === "enough");
  }));
});

/** The same worker, to which nothing comes through. */
function mute(worker: AnyWorker): AnyWorker {
  const listen = (): void => {};
  return { postMessage: () => {}, addEventListener: listen, terminate: () => void worker.terminate() };
}

/** Deno and Bun say nothing of a worker that its owner ends, and have no locks that would. */
const isToldOfEnds = !("Deno" in globalThis) && !("Bun" in globalThis);

if (isToldOfEnds) describe("a worker that its owner ends", () => {
  it("leaves no call pending", () => withWorker(async (worker) => {
    const model = await connect(await checkpointFiles("odd"), { worker });
    const generation = model.generate(IDS, { maxTokens: 40, ignoreEos: true });
    await generation.next();
    const verifying = model.verify(IDS).then(() => "done", (error) => error.code as string);
    void worker.terminate();
    assert.ok(["done", "worker"].includes(await verifying));
    await pause(50);
    await rejectsKvasm(() => model.freePages(), "worker");
    await rejectsKvasm(() => generation.next(), "worker");
    await model.dispose();
  }));
});
