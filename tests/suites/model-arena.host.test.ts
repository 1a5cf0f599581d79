/** Addresses beyond 2 GiB, which are negative numbers where someone forgot `>>> 0`. Untouched pages cost nothing. */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { digest } from "../oracle/golden.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { someIds, withModel } from "../support/models.ts";
import { readGolden } from "../support/reference-golden.ts";
import { checkpointFiles } from "../support/reference.ts";

/** An option for this test alone (bindings/model/load.ts). */
const ARENA_BASE = Symbol.for("kvasm.arenaBase");
const above = (base: number): LoadOptions => ({ [ARENA_BASE]: base }) as LoadOptions;

const GIB = 2 ** 30;

describe("an arena above 2 GiB", () => {
  it("computes the golden bits", { timeout: 60_000 }, async () => {
    const { models } = await readGolden();
    for (const { folder, ids, logits } of models.filter(({ folder }) => ["base", "odd", "untied", "prefix"].includes(folder))) {
      await withModel(await checkpointFiles(folder as "base"), async (model) => {
        assert.ok(model.memory.total > 2 * GIB, folder);
        assert.equal(await digest(model.trace(ids).logits), logits, folder);
      }, above(2 * GIB));
    }
  });

  it("leaves the pages below it to the host", async () => {
    const before = process.memoryUsage().rss;
    await withModel("base", (model) => {
      model.trace(someIds(40, model.config.vocab_size));
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < 256 * 2 ** 20, `${(grown / 2 ** 20).toFixed(0)} MiB of ${model.memory.total / 2 ** 20} became resident`);
    }, above(3 * GIB));
  });

  it("does all that one below does", { timeout: 60_000 }, async () => {
    const everything = async (model: Model) => {
      const ids = someIds(40, model.config.vocab_size);
      const sequence = model.sequence();
      const last = sequence.prefill(ids);
      const fork = sequence.fork();
      const branch = fork.decode(7);
      fork.truncate(21);
      const drawn = [1, 2, 3].map((seed) => sequence.sample({ seed, topP: 0.9, repetitionPenalty: 1.2, logitBias: { 5: 1 } }));
      const written: unknown[] = [];
      for await (const item of model.generate(ids.slice(0, 5), { seed: 4, maxTokens: 20, ignoreEos: true, logprobs: true })) written.push(item);
      const { hiddenStates, attentions } = model.trace(ids, { hiddenStates: true, attentions: true });
      return {
        floats: [last, branch, fork.decode(9), model.distribution(last, { typicalP: 0.8, presencePenalty: 0.1 }, ids), ...hiddenStates!, ...attentions!],
        rest: [drawn, written, [...sequence.ids], [...fork.ids], model.freePages, model.verify(ids)],
      };
    };
    const low = await withModel("base", everything);
    for (const base of [2 * GIB - 65536, 2 * GIB, 3 * GIB + 64]) {
      const high = await withModel("base", everything, above(base));
      assert.deepEqual(high.rest, low.rest);
      high.floats.forEach((values, i) => sameBits(values, low.floats[i], `${base}: ${i}`));
    }
  });

  it("reaches up to the last page of 4 GiB, and no further", { timeout: 60_000 }, async () => {
    const files = await checkpointFiles("base");
    const { header, total, ...regions } = await withModel(files, (model) => model.memory);
    const needed = header + Object.values(regions).reduce((a, b) => a + b, 0);
    assert.ok(total > 0);
    const highest = Math.floor((4 * GIB - 65536 - needed) / 64) * 64;
    await withModel(files, (model) => {
      assert.ok(model.memory.total > 4 * GIB - 3 * 65536);
      assert.ok(model.verify(someIds(20, 331)).identical);
    }, above(highest));
    // Four sequences are the default too, but as a default they would become three here.
    const error = await rejectsKvasm(() => load(files, { ...above(highest + 64), maxSequences: 4 }), "memory");
    await withModel(files, (model) => assert.equal(model.pages, 3 * 4), above(highest + 64));
    assert.ok(Number(error.value) > 4 * GIB - 65536);
  });
});
