/** What the collector finds, and that memory does not grow. Runs with --expose-gc. */
import { setImmediate as turn } from "node:timers/promises";
import { load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import { load as loadSource } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import { assert, before, describe, it } from "../support/harness.ts";
import { someIds, withPositions } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

const gc = (globalThis as { gc?: () => void }).gc;

/** Collects until `done`, or fails after some seconds. */
async function collectUntil(done: () => boolean, what: string): Promise<void> {
  assert.ok(gc !== undefined, "this suite needs --expose-gc");
  for (let round = 0; round < 100; round++) {
    gc();
    await turn(); // finalizers are tasks of their own
    if (done()) return;
  }
  assert.fail(`${what}: not collected`);
}

describe("the collector", () => {
  let files: Files;
  before(async () => { files = await checkpointFiles("odd"); });

  it("gives back the pages and slots of sequences that were dropped", async () => {
    const model = await load(files);
    (() => {
      for (let i = 0; i < 4; i++) model.sequence().decode(1);
      const trunk = model.sequence();
      trunk.prefill([1, 2, 3]);
      trunk.fork().decode(4);
    })();
    assert.equal(model.pages - model.freePages, 6);
    await collectUntil(() => model.freePages === model.pages, "six sequences");
    const all = Array.from({ length: 256 }, () => model.sequence());
    for (const sequence of all) sequence.dispose();
    model.dispose();
  });

  it("leaves those alone that are still held, and those that were disposed before", async () => {
    const model = await load(files);
    const held = model.sequence();
    held.prefill([1, 2, 3]);
    (() => { model.sequence().dispose(); })();
    const heir = model.sequence(); // in the slot of the disposed one
    heir.decode(1);
    (() => { model.sequence().decode(1); })();
    await collectUntil(() => model.pages - model.freePages === 2, "one sequence");
    assert.deepEqual([held.length, heir.length], [3, 1]);
    model.dispose();
  });

  it("gives back the pages of generators that were dropped in the middle", async () => {
    const model = await load(files);
    await (async () => {
      for (let i = 0; i < 3; i++) await model.generate([1, 2], { ignoreEos: true }).next();
    })();
    assert.equal(model.pages - model.freePages, 3);
    await collectUntil(() => model.freePages === model.pages, "three generators");
    model.dispose();
  });

  it("frees models that were dropped, with a sequence and without, and disposed ones that are held", async () => {
    let collected = 0;
    const registry = new FinalizationRegistry(() => { collected++; });
    const watch = async (use: (model: Model) => unknown): Promise<unknown> => {
      const model = await load(files);
      registry.register(model, undefined);
      return use(model);
    };
    await watch(() => {});
    await watch((model) => { model.sequence().decode(1); });
    await watch(async (model) => { await model.generate([1], { ignoreEos: true }).next(); });
    const kept = await watch((model) => {
      const sequence = model.sequence();
      model.dispose();
      return sequence;
    });
    await collectUntil(() => collected === 4, "four models");
    assert.ok(kept !== undefined);
  });
});

describe("memory", () => {
  /** Of the process, after what can be collected is. */
  async function resident(): Promise<number> {
    for (let i = 0; i < 5; i++) {
      gc!();
      await turn();
    }
    return process.memoryUsage.rss();
  }

  it("does not grow over 200 times load and dispose", { timeout: 120_000 }, async () => {
    const files = await checkpointFiles("base");
    const cycle = async (times: number) => {
      for (let i = 0; i < times; i++) {
        const model = await load(files);
        const sequence = model.sequence();
        sequence.prefill(someIds(20, 331));
        model.dispose();
        if (i % 10 === 9) gc!();
      }
      return resident();
    };
    const first = await cycle(20);
    const last = await cycle(200);
    // A model takes 2.3 MiB: 200 that stayed would be 460.
    const grown = (last - first) / 2 ** 20;
    assert.ok(grown < 24, `${grown.toFixed(1)} MiB more`);
  });

  it("does not grow over 200 failed loads", { timeout: 120_000 }, async () => {
    const files = await checkpointFiles("base");
    const broken = { ...files, "model.safetensors": files["model.safetensors"].subarray(0, -4) };
    const cycle = async (times: number) => {
      for (let i = 0; i < times; i++) {
        await assert.rejects(() => load(broken));
        if (i % 10 === 9) gc!();
      }
      return resident();
    };
    const first = await cycle(20);
    const grown = (await cycle(200) - first) / 2 ** 20;
    assert.ok(grown < 24, `${grown.toFixed(1)} MiB more`);
  });

  it("sees a leak: the same cycles with the models held", { timeout: 120_000 }, async () => {
    const files = await checkpointFiles("base");
    const held: Model[] = [];
    const first = await resident();
    for (let i = 0; i < 40; i++) held.push(await load(files));
    const grown = (await resident() - first) / 2 ** 20;
    assert.ok(grown > 24, `${grown.toFixed(1)} MiB more`);
    for (const model of held) model.dispose();
  });

  it("of the module does not grow with tokens, sequences or draws", async () => {
    const model = await loadSource(withPositions(await checkpointFiles("base"), 2048), { maxSequences: 1 });
    const size = () => lifetimeOf(model).value.memory.size;
    const before = size();
    assert.equal(before, model.memory.total);
    let count = 0;
    for await (const { id } of model.generate([1], { ignoreEos: true, seed: 1, topP: 0.9, frequencyPenalty: 0.1, logprobs: true })) count += id >= 0 ? 1 : 0;
    assert.equal(count, 2048);
    model.trace(someIds(100, 331), { hiddenStates: true, attentions: true });
    assert.ok(model.verify(someIds(100, 331)).identical);
    assert.equal(size(), before);
    model.dispose();
  });
});
