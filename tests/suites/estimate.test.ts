/** estimate: what it says before loading is what a loaded model takes, to the byte. */
import { estimate, load } from "../../bindings/index.ts";
import type { EstimateOptions } from "../../bindings/index.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, it } from "../support/harness.ts";
import { NOT_INTEGER, NOT_NUMBER, NOT_OPTIONS } from "../support/hostile.ts";
import { checkpointFiles } from "../support/reference.ts";

const WEIGHTS = ["f32", "q8", "q4"] as const;
const CACHES = ["f32", "f16", "q8"] as const;
const SIZES: EstimateOptions[] = [
  {}, { contextLength: 1, maxSequences: 1 }, { contextLength: 15 }, { maxSequences: 300 }, { cacheBytes: 1_000_000 }, { contextLength: 9, cacheBytes: 50_000_000 },
];
const GPT2 = { n_layer: 12, n_embd: 768, n_head: 12 };
const XL = { n_layer: 48, n_embd: 1600, n_head: 25 };
const MIB = 2 ** 20;

describe("estimate", () => {
  // "odd": sizes that are no multiples of 16 or 32; "untied": a head of its own, n_inner below n_embd.
  for (const folder of ["base", "odd", "untied", "head-size-10"] as const) {
    it(`is what a loaded model takes: ${folder}`, async () => {
      const files = await checkpointFiles(folder);
      const config = JSON.parse(new TextDecoder().decode(files["config.json"])) as Record<string, unknown>;
      for (const weights of WEIGHTS) {
        for (const cache of CACHES) {
          for (const size of SIZES) {
            const expected = await estimate(config, { ...size, weights, cache });
            const model = await load(files, { ...size, weights, cache });
            assert.deepEqual({ ...expected.memory }, { ...model.memory }, `${weights}, ${cache}, ${JSON.stringify(size)}`);
            assert.equal(expected.pages, model.pages);
            assert.equal(expected.contextLength, model.contextLength);
            assert.equal(expected.fits, true);
            assert.deepEqual(await estimate(model.config, { ...size, weights, cache }), expected, "a model's own config says the same");
            model.dispose();
          }
        }
      }
    });
  }

  it("counts a head of its own only where there is one", async () => {
    const tied = await estimate({ ...GPT2, tie_word_embeddings: true });
    const untied = await estimate({ ...GPT2, tie_word_embeddings: false });
    assert.equal(tied.memory.storedHead, 0);
    assert.equal(untied.memory.storedHead, 768 * 50272 * 4);
    assert.equal(untied.memory.weights, tied.memory.weights);
  });

  it("says whether it fits", async () => {
    const { memory } = await estimate(GPT2, { weights: "q4", cache: "q8", maxSequences: 1 });
    assert.ok(memory.total < 128 * MIB && memory.total > 100 * MIB, `${memory.total}`);
    const fits = async (limit: number) => {
      const result = await estimate(GPT2, { weights: "q4", cache: "q8", maxSequences: 1, limit });
      assert.equal(result.limit, limit);
      return result.fits;
    };
    assert.deepEqual([await fits(memory.total), await fits(memory.total - 1), await fits(1), await fits(2 ** 40)], [true, false, false, true]);
  });

  it("has room for four sequences by default, or as many as fit beside the weights", async () => {
    const LARGE = { n_layer: 36, n_embd: 1280, n_head: 20 };
    assert.deepEqual([(await estimate(GPT2)).pages, (await estimate(GPT2)).fits], [4 * 64, true]);
    const large = await estimate(LARGE);
    assert.equal(large.fits, true);
    assert.ok(large.pages >= 64 && large.pages < 4 * 64 && large.pages % 64 === 0, `${large.pages}`);
    assert.equal((await estimate(LARGE, { maxSequences: large.pages / 64 + 1 })).fits, false, "one more would not fit");
    assert.equal((await estimate(LARGE, { maxSequences: 4 })).fits, false, "what is asked for is not made smaller");
  });

  it("also of what WebAssembly cannot address", async () => {
    const xl = await estimate(XL);
    assert.equal(xl.fits, false);
    assert.equal((await estimate(XL, { limit: 2 ** 50 })).fits, false);
    // Not even one sequence of 1024 tokens fits: 48 layers, keys and values of 1600 floats.
    assert.equal(xl.memory.pages, 1024 * 48 * 2 * 1600 * 4);
    // All parameters, padded: the vocabulary to 50272 rows, nothing else here.
    const parameters = 50272 * 1600 + 1024 * 1600 + 48 * (12 * 1600 * 1600 + 13 * 1600) + 2 * 1600;
    assert.ok(xl.memory.weights >= parameters * 4 && xl.memory.weights < parameters * 4 + 48 * 13 * 64, `${xl.memory.weights} for ${parameters}`);
    assert.ok(xl.memory.total > xl.memory.weights + xl.memory.pages);
    // The rule by which it is found is also right where the module can place all: 12 layers from 1 and 2.
    const [one, two, twelve] = await Promise.all([1, 2, 12].map((n_layer) => estimate({ ...GPT2, n_layer }, { cacheBytes: n_layer * 10 * 16 * 2 * 768 * 4 })));
    for (const region of ["header", "weights", "pages", "tables", "activations", "logits", "sampler"] as const) {
      assert.equal(twelve.memory[region], one.memory[region] + 11 * (two.memory[region] - one.memory[region]), region);
    }
    assert.equal((await estimate(XL, { weights: "q8", maxSequences: 1 })).fits, true);
  });

  it("takes any configuration that load takes, with its defaults, and refuses the rest", async () => {
    assert.deepEqual(await estimate({}), await estimate(GPT2));
    for (const config of [null, undefined, 1, "gpt2", true, [], () => {}]) await rejectsKvasm(() => estimate(config as object), "type", "config");
    await rejectsKvasm(() => estimate({ n_embd: 0 }), "config", "n_embd");
    await rejectsKvasm(() => estimate({ n_embd: 10, n_head: 3 }), "config", "n_head");
    await rejectsKvasm(() => estimate({ model_type: "llama" }), "unsupported", "model_type");
    await rejectsKvasm(() => estimate({ n_embd: 2 ** 24, n_head: 1 }), "memory", "config");
    await rejectsKvasm(() => estimate({ n_layer: 3 }, { cacheBytes: 2 ** 50 }), "memory", "config");
  });

  it("checks its options", async () => {
    const rejects = (options: unknown, code: Parameters<typeof rejectsKvasm>[1], argument: string) =>
      rejectsKvasm(() => estimate(GPT2, options as EstimateOptions), code, argument);
    for (const options of NOT_OPTIONS) await rejects(options, "type", "estimate options");
    await rejects({ threads: 1 }, "option", "threads");
    for (const value of NOT_NUMBER) await rejects({ limit: value }, "type", "limit");
    for (const value of [...NOT_INTEGER, 0, -1]) await rejects({ limit: value }, "value", "limit");
    await rejects({ weights: "q5" }, "value", "weights");
    await rejects({ cache: 16 }, "type", "cache");
    await rejects({ contextLength: 1025 }, "value", "contextLength");
    await rejects({ contextLength: 0 }, "value", "contextLength");
    await rejects({ cacheBytes: 1000 }, "value", "cacheBytes");
    await rejects({ cacheBytes: 2 ** 30, maxSequences: 2 }, "option", "cacheBytes");
    await rejects({ wasm: 1 }, "type", "wasm");
  });
});
