/** generate calls that run at the same time share steps: each gives what it gives alone, and what ends one does not touch the others. */
import fc from "fast-check";
import { load } from "../../bindings/index.ts";
import type { GenerateOptions, GeneratedToken, Model } from "../../bindings/index.ts";
import { load as loadSource } from "../../bindings/model/load.ts";
import { injectFault } from "../support/faults.ts";
import { assertKvasmError } from "../support/errors.ts";
import { assert, describe, it } from "../support/harness.ts";
import { someIds, withBrokenPosition, withPositions } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { checkpointFiles } from "../support/reference.ts";

const SEED = 20261128;

interface Wanted { ids: number[]; options: GenerateOptions; leave: number; abort: number }

async function written(model: Model, { ids, options, leave, abort }: Wanted): Promise<GeneratedToken[]> {
  const all: GeneratedToken[] = [];
  const controller = new AbortController();
  try {
    for await (const token of model.generate(ids, { ...options, signal: controller.signal })) {
      all.push(token);
      if (all.length === leave) break;
      if (all.length === abort) controller.abort("enough");
    }
  } catch (error) {
    if (error !== "enough") throw error;
  }
  return all;
}

const wanted: fc.Arbitrary<Wanted> = fc.record({
  ids: fc.oneof(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }), fc.constantFrom(15, 16, 17, 40).map((n) => someIds(n, 50, n))),
  options: fc.record({
    maxTokens: fc.integer({ min: 1, max: 9 }), seed: fc.nat(5), temperature: fc.constantFrom(0, 0.8), logprobs: fc.boolean(), ignoreEos: fc.boolean(),
    repetitionPenalty: fc.constantFrom(1, 1.3), speculate: fc.constantFrom<"lookup" | false>(false, false, "lookup"),
  }),
  leave: fc.constantFrom(Infinity, Infinity, 3), abort: fc.constantFrom(Infinity, Infinity, 2),
});

describe("generate calls at the same time", () => {
  for (const [weights, cache] of WEIGHTS.flatMap((weights) => CACHES.map((cache) => [weights, cache] as const))) {
    it(`give what each gives alone: ${weights} weights, ${cache} cache`, async () => {
      const options = { weights, cache, maxSequences: 8 } as const;
      const files = withPositions(await checkpointFiles("odd"), 80);
      const [model, alone] = [await load(files, options), await load(files, options)];
      await fc.assert(fc.asyncProperty(fc.array(wanted, { minLength: 2, maxLength: 7 }), async (all) => {
        const expected: GeneratedToken[][] = [];
        for (const one of all) expected.push(await written(alone, one));
        assert.deepEqual(await Promise.all(all.map((one) => written(model, one))), expected);
        assert.equal(model.freePages, model.pages);
      }), { numRuns: 12, seed: SEED });
      model.dispose();
      alone.dispose();
    });
  }

  it("share steps, of 16 sequences that decode each", async () => {
    for (const count of [1, 5, 16, 17, 19]) {
      const model = await loadSource(withPositions(await checkpointFiles("odd"), 64), { maxSequences: 20 });
      let steps = 0;
      injectFault(model, (real) => ({ step: (address, entries) => (steps++, real.step(address, entries)) }));
      const tokens = 10;
      await Promise.all(Array.from({ length: count }, (_, i) => written(model as never, { ids: [i + 1], options: { maxTokens: tokens, ignoreEos: true }, leave: Infinity, abort: Infinity })));
      // The prompt's token and all but the last one written are appended.
      assert.equal(steps, Math.max(tokens, Math.ceil(count * tokens / 16)), `${count} sequences`);
      model.dispose();
    }
  });

  it("a long prompt does not keep those waiting that decode", async () => {
    const model = await load(withPositions(await checkpointFiles("odd"), 600), { maxSequences: 3 });
    const long = model.generate(someIds(590, model.config.vocab_size, 3), { maxTokens: 1, ignoreEos: true }).next();
    let done = false;
    void long.then(() => { done = true; });
    let before = 0;
    for await (const _ of model.generate([1], { maxTokens: 40, ignoreEos: true })) if (!done) before++;
    await long;
    assert.ok(before >= 4, `${before} tokens came while the prompt was computed`);
    model.dispose();
  });

  it("a reader that does not ask holds nobody up", async () => {
    const model = await load(await checkpointFiles("odd"), { maxSequences: 3 });
    const slow = model.generate([3], { maxTokens: 5, ignoreEos: true });
    await slow.next();
    let count = 0;
    for await (const _ of model.generate([1], { maxTokens: 5, ignoreEos: true })) count++;
    assert.equal(count, 5);
    await slow.return();
    assert.equal(model.freePages, model.pages);
    model.dispose();
  });

  it("an error of one is its own", async () => {
    const files = withBrokenPosition(withPositions(await checkpointFiles("odd"), 64), 20);
    const [model, alone] = [await load(files, { maxSequences: 6 }), await load(files)];
    const fine = { ids: [2, 3], options: { maxTokens: 9, ignoreEos: true, seed: 1, logprobs: true }, leave: Infinity, abort: Infinity };
    const results = await Promise.allSettled([
      written(model, fine), written(model, { ...fine, ids: someIds(18, 50) }), written(model, { ...fine, ids: [4] }), written(model, { ...fine, ids: someIds(30, 50) }),
    ]);
    assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "rejected"]);
    for (const i of [1, 3]) assertKvasmError((results[i] as PromiseRejectedResult).reason, "non-finite", "logits");
    assert.deepEqual((results[0] as PromiseFulfilledResult<GeneratedToken[]>).value, await written(alone, fine));
    assert.equal(model.freePages, model.pages);
    model.dispose();
    alone.dispose();
  });

  it("pages that are short end the one that finds none, and dispose ends all", async () => {
    const model = await load(withPositions(await checkpointFiles("odd"), 64), { maxSequences: 1 }); // four pages
    const results = await Promise.allSettled([0, 1, 2].map((i) => written(model, { ids: someIds(20, 50, i), options: { maxTokens: 30, ignoreEos: true }, leave: Infinity, abort: Infinity })));
    assert.ok(results.some(({ status }) => status === "fulfilled"));
    for (const result of results) if (result.status === "rejected") assertKvasmError(result.reason, "pages");
    assert.equal(model.freePages, model.pages);
    const running = [1, 2].map((i) => written(model, { ids: [i], options: { maxTokens: 30, ignoreEos: true }, leave: Infinity, abort: Infinity }).then(() => "done", (error) => error.code as string));
    await new Promise((resolve) => setTimeout(resolve, 5));
    model.dispose();
    for (const outcome of await Promise.all(running)) assert.ok(["disposed", "done"].includes(outcome), outcome);
  });
});
