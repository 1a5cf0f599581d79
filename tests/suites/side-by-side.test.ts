/** n continuations of one prompt: each is what a call of its own gives, and the prompt is computed once. */
import { ENTRY_WORDS } from "../../bindings/wasm/exports.ts";
import { load } from "../../bindings/model/load.ts";
import type { GenerateOptions, GeneratedToken, Model } from "../../bindings/index.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { injectFault } from "../support/faults.ts";
import { collected } from "../support/guessing.ts";
import { assert, describe, it } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import { randomCheckpoint } from "../support/reference-random.ts";

const SHAPE = { n_embd: 16, n_head: 2, n_layer: 1, n_inner: 24, vocab_size: 9, n_positions: 70, eos_token_id: 5 };

async function split(model: Model, prompt: number[], options: GenerateOptions): Promise<GeneratedToken[][]> {
  const all: GeneratedToken[][] = Array.from({ length: options.n! }, () => []);
  for (const { index, ...item } of await collected(model, prompt, options)) all[index!]!.push(item);
  return all;
}

describe("generate with n", () => {
  it("gives what n calls give, each with a stream of its own", async () => {
    const model = await load(randomCheckpoint(SHAPE, 61), { maxSequences: 8 });
    let differ = 0;
    for (let seed = 0; seed < 12; seed++) {
      const options: GenerateOptions = {
        seed, maxTokens: 1 + 5 * seed, logprobs: true, stream: seed % 2 === 0 ? undefined : 7, temperature: seed % 5 === 0 ? 0 : 1, prefixCache: seed % 3 > 0, ...(seed % 4 === 1 && { speculate: "lookup" }),
        ...(seed % 4 === 2 && { keep: 5, ignoreEos: true, maxTokens: 90 }), ...(seed % 4 === 3 && { processors: [(_, logits) => { logits[4] = -Infinity; }] }),
      };
      const prompt = someIds(1 + 5 * seed, SHAPE.vocab_size, seed);
      const expected: GeneratedToken[][] = [];
      for (let i = 0; i < 5; i++) expected.push(await collected(model, prompt, { ...options, stream: (options.stream ?? 0) + i }));
      if (JSON.stringify(expected[0]) !== JSON.stringify(expected[1])) differ++;
      assert.deepEqual(await split(model, prompt, { ...options, n: 5 }), expected, `seed ${seed}`);
      assert.equal(model.freePages, model.pages);
    }
    assert.ok(differ >= 6, `the control: ${differ}`);
    model.dispose();
  });

  it("computes the prompt once, and the tokens of all in one step", async () => {
    const model = await load(randomCheckpoint(SHAPE, 62), { maxSequences: 6 });
    let rows = 0;
    let steps = 0;
    injectFault(model, (real, { memory }) => ({
      step(header, entries) {
        const at = (real.stepEntries(header) >>> 0) / 4;
        for (let i = 0; i < entries; i++) rows += memory.u32[at + i * ENTRY_WORDS + 1]!;
        steps++;
        return real.step(header, entries);
      },
    }));
    await collected(model, someIds(40, SHAPE.vocab_size), { n: 6, maxTokens: 11, seed: 1, ignoreEos: true, prefixCache: false });
    assert.equal(rows, 40 + 6 * 10);
    assert.ok(steps < 10 + 40, `${steps} steps`);
    model.dispose();
  });

  it("gives everything back when it is left, aborted, or has no room", async () => {
    const model = await load(randomCheckpoint(SHAPE, 63), { maxSequences: 3 });
    for await (const { index } of model.generate([1, 2], { n: 3, seed: 1, ignoreEos: true, prefixCache: false })) if (index === 1) break;
    assert.equal(model.freePages, model.pages);
    const controller = new AbortController();
    let count = 0;
    await assert.rejects(async () => {
      for await (const _ of model.generate([1, 2], { n: 3, seed: 1, ignoreEos: true, signal: controller.signal })) if (++count === 7) controller.abort(new Error("enough"));
    }, /enough/);
    await rejectsKvasm(() => collected(model, [1, 2], { n: 200 }), "pages");
    await model.generate([1], { n: 3 }).return();
    const reason = new Error("one of them");
    await assert.rejects(collected(model, [1, 2], { n: 3, seed: 2, ignoreEos: true, processors: [(ids) => { if (ids.length === 6) throw reason; }] }), (error) => error === reason);
    assert.equal(model.freePages, model.pages);
    assert.equal((await split(model, [1, 2], { n: 3, maxTokens: 4, ignoreEos: true })).flat().length, 12, "all sequences are free again");
    for (const n of [0, 257, 1.5]) await rejectsKvasm(() => collected(model, [1], { n }), "value", "n");
    await rejectsKvasm(() => collected(model, [1], { n: 2, stream: 2 ** 32 - 1 }), "value", "stream");
    model.dispose();
  });
});
