/** Threads change no bit: every number of them, type of weights and of cache. Where they cannot be had, one thread computes and says why. */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { rejectsKvasm, throwsKvasm } from "../support/errors.ts";
import { assert, describe, differingBits, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { checkpointFiles } from "../support/reference.ts";

/** A page of the tests has no isolation headers; elsewhere there are threads. */
const hasThreads = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;

/** All that a model computes of some ids: in one step, token by token, after a fork, beside others; hidden states and logits. */
function computed(model: Model): Float32Array[] {
  const { vocab_size } = model.config;
  const ids = someIds(40, vocab_size, 3);
  const sequence = model.sequence();
  const all = [sequence.prefill(ids.slice(0, 33), { all: true })];
  for (const id of ids.slice(33)) all.push(sequence.decode(id));
  const fork = sequence.fork();
  const steps = model.step([
    { sequence: fork, ids: someIds(5, vocab_size, 4), logits: "all" }, { sequence: model.sequence(), ids: someIds(3, vocab_size, 5) }, { sequence, ids: [1] },
  ]);
  const traced = model.trace(ids, { hiddenStates: true, attentions: true });
  return [...all, ...steps.map((rows) => rows!), traced.logits, ...traced.hiddenStates!, ...traced.attentions!];
}

async function withModel<T>(options: LoadOptions, use: (model: Model) => T | Promise<T>): Promise<T> {
  const model = await load(await checkpointFiles("base"), options);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

describe("threads", () => {
  for (const weights of WEIGHTS) {
    for (const cache of CACHES) {
      it(`have the bits of one: ${weights}, ${cache} cache`, async () => {
        const expected = await withModel({ weights, cache }, computed);
        for (const threads of hasThreads ? [2, 3, 5, 8] : [2]) {
          await withModel({ weights, cache, threads }, (model) => {
            assert.equal(model.threads.used, hasThreads ? threads : 1);
            computed(model).forEach((values, i) => sameBits(values, expected[i]));
            // Negative control: another token shows in the logits.
            const other = model.sequence().prefill([...someIds(32, model.config.vocab_size, 3), 0], { all: true });
            assert.ok(differingBits(other, expected[0]).count > 0);
          });
        }
      });
    }
  }

  it("write the text that one writes, several texts at once", async () => {
    const texts = async (model: Model): Promise<string[]> => Promise.all(["Once upon a time", "The dog", "A"].map(async (prompt, seed) => {
      let text = "";
      for await (const item of model.generate(prompt, { maxTokens: 24, seed, temperature: 0.8 })) text += item.text;
      return text;
    }));
    const one = await load();
    const many = await load(undefined, { threads: 3 });
    assert.deepEqual(await texts(many), await texts(one));
    one.dispose();
    many.dispose();
  });

  it("are compared with one by verify", async () => {
    await withModel({ threads: 2 }, (model) => {
      const report = model.verify(someIds(20, model.config.vocab_size));
      assert.ok(report.identical);
      assert.equal(report.ways.some(({ name }) => name === "on one thread"), hasThreads);
    });
    await withModel({}, (model) => throwsKvasm(() => model.verify([1], { ways: ["on one thread"] }), "value", "ways[0]"));
  });

  it("are saved and restored as one does", async () => {
    const bytes = await withModel({ threads: 2 }, (model) => model.sequence({ ids: someIds(20, model.config.vocab_size) }).save());
    await withModel({}, (model) => {
      const expected = model.sequence({ ids: someIds(20, model.config.vocab_size) });
      sameBits(model.restore(bytes).decode(1), expected.decode(1));
    });
  });

  it("are reported", async () => {
    assert.deepEqual(await withModel({}, ({ threads }) => threads), { used: 1, requested: 1 });
    const { used, requested, reason } = await withModel({ threads: "auto" }, ({ threads }) => threads);
    assert.deepEqual([used, requested], [1, "auto"]);
    assert.match(reason!, hasThreads ? /too small|one core/ : /isolated|SharedArrayBuffer/);
    if (hasThreads) assert.deepEqual(await withModel({ threads: 2 }, ({ threads }) => threads), { used: 2, requested: 2 });
  });

  it("are 1 to 8, or auto", async () => {
    for (const threads of [0, 9, 1.5, "2", null]) await rejectsKvasm(() => load(undefined, { threads: threads as number }), typeof threads === "number" ? "value" : "type", "threads");
  });
});
