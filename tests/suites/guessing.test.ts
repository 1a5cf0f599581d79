/** Guesses change no token and no log probability; they only save steps. */
import { load as loadPackage } from "../../bindings/index.ts";
import { load } from "../../bindings/model/load.ts";
import { lifetimeOf } from "../../bindings/model/model.ts";
import { throwsKvasm } from "../support/errors.ts";
import { injectFault } from "../support/faults.ts";
import { collected, sameWithGuesses } from "../support/guessing.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { someIds, withBrokenPosition } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { randomCheckpoint } from "../support/reference-random.ts";

const SHAPE = { n_embd: 16, n_head: 2, n_layer: 1, n_inner: 24, vocab_size: 9, n_positions: 40, eos_token_id: 5 };

describe("generate with guesses", () => {
  it("gives what it gives without, in every pair of types and with every option", { timeout: 120_000 }, async () => {
    for (const weights of WEIGHTS) {
      for (const cache of CACHES) {
        const model = await load(randomCheckpoint(SHAPE, 21), { weights, cache, maxSequences: 3 });
        assert.ok(await sameWithGuesses(model, 1000 * (WEIGHTS.indexOf(weights) * 3 + CACHES.indexOf(cache)), 60) > 300);
        model.dispose();
      }
    }
  });

  it("of a draft gives what it gives without, whatever the draft is", { timeout: 120_000 }, async () => {
    const model = await load(randomCheckpoint(SHAPE, 31), { maxSequences: 3 });
    const drafts = [
      await load(randomCheckpoint(SHAPE, 31), { weights: "q8" }), await load(randomCheckpoint({ ...SHAPE, n_embd: 8, n_positions: 20 }, 32), { maxSequences: 1, cache: "f16" }),
      await load(withBrokenPosition(randomCheckpoint({ ...SHAPE, n_embd: 8 }, 33), 15)),
    ];
    for (const draft of [...drafts, model]) {
      assert.ok(await sameWithGuesses(model, 7000, 80, { draft }) > 400);
      assert.equal(draft.freePages, draft.pages, "the draft's pages");
    }
    const held = drafts[1]!.sequence();
    held.append(someIds(20, SHAPE.vocab_size)); // no room for the draft's own
    await sameWithGuesses(model, 7000, 20, { draft: drafts[1]! });
    const other = await load(randomCheckpoint({ ...SHAPE, vocab_size: 10 }, 34));
    throwsKvasm(() => model.generate([1], { speculate: { draft: other } }), "value", "speculate.draft");
    throwsKvasm(() => model.generate([1], { speculate: { draft: {} as never } }), "type", "speculate.draft");
    throwsKvasm(() => model.generate([1], { speculate: { draft: other, k: 3 } as never }), "option", "k");
    other.dispose();
    throwsKvasm(() => model.generate([1], { speculate: { draft: other } }), "disposed");
    for (const one of [model, ...drafts]) one.dispose();
  });

  it("of a draft that is as good takes fewer steps", async () => {
    const files = randomCheckpoint({ ...SHAPE, n_positions: 200 }, 35);
    const [model, draft] = [await load(files), await load(files)];
    let steps = 0;
    injectFault(model, (real) => ({ step: (...args) => (steps++, real.step(...args)) }));
    const options = { maxTokens: 100, temperature: 0, ignoreEos: true, prefixCache: false } as const;
    const plain = await collected(model, [1, 2], options);
    const without = steps;
    steps = 0;
    assert.deepEqual(await collected(model, [1, 2], { ...options, speculate: { draft } }), plain);
    assert.ok(steps < 0.9 * without, `${steps} steps instead of ${without}`);
    model.dispose();
    draft.dispose();
  });

  it("takes fewer steps where the text repeats itself, and sees a row that is wrong", async () => {
    const model = await load(randomCheckpoint({ ...SHAPE, n_positions: 400 }, 22));
    let steps = 0;
    let wrong = false;
    injectFault(model, (real, { memory }) => ({
      step: (...args) => (steps++, real.step(...args)),
      headRows(header, first, count) {
        const status = real.headRows(header, first, count);
        // The second row of several says another token.
        if (wrong && count > 1) memory.f32[(real.logitsRows(header) >>> 0) / 4 + real.logitsStride(header) + 3] = 1e6;
        return status;
      },
    }));
    const prompt = someIds(12, SHAPE.vocab_size);
    const run = async (options: object): Promise<{ ids: number[]; steps: number }> => {
      steps = 0;
      const items = await collected(model, prompt, { maxTokens: 200, temperature: 0, ignoreEos: true, prefixCache: false, ...options });
      return { ids: items.map(({ id }) => id), steps };
    };
    const plain = await run({});
    const guessed = await run({ speculate: "lookup" });
    assert.deepEqual(guessed.ids, plain.ids);
    assert.ok(plain.steps >= 200 && guessed.steps < 0.9 * plain.steps, `${guessed.steps} steps instead of ${plain.steps}`);
    wrong = true;
    assert.notDeepEqual((await run({ speculate: "lookup" })).ids, plain.ids, "the control");
    model.dispose();
  });

  it("leaves the sequence as decoding does: what is kept for others is right", async () => {
    const model = await load(randomCheckpoint({ ...SHAPE, n_positions: 200 }, 23));
    const prompt = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1];
    for (const maxTokens of [1, 2, 3, 20, 21, 90]) {
      const options = { maxTokens, seed: maxTokens, temperature: 0.4, ignoreEos: true } as const;
      const ids = [...prompt, ...(await collected(model, prompt, { ...options, speculate: "lookup" })).map(({ id }) => id)];
      const sequence = model.sequence({ ids });
      assert.ok(sequence.reusedTokens >= ids.length - 2);
      const fresh = model.sequence();
      fresh.append(ids);
      sameBits(sequence.decode(4), fresh.decode(4));
      sequence.dispose();
      fresh.dispose();
    }
    assert.equal(model.freePages, model.pages);
    model.dispose();
  });

  it("ends where it would have: with a stop string, the context, and numbers that are too large", async () => {
    const stories = await loadPackage();
    for (const [prompt, options] of [
      ["The king said: no, no, no, no, no, no, no,", { stop: ["yes", " no, no, no"], seed: 1 }], ["A b c d e f. A b c d e f. A b c", { maxTokens: 40, seed: 2, temperature: 0 }],
    ] as const) {
      const expected = await collected(stories, prompt, { ...options, logprobs: true });
      assert.deepEqual(await collected(stories, prompt, { ...options, logprobs: true, speculate: "lookup" }), expected);
    }
    stories.dispose();
    // A position whose numbers overflow: the guesses that reach it are dropped, and the token that does is the error that it would have been.
    const broken = await load(withBrokenPosition(randomCheckpoint({ ...SHAPE, n_positions: 60 }, 24), 50), { cache: "f16" });
    const prompt = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4];
    const until = async (options: object): Promise<[number[], string]> => {
      const ids: number[] = [];
      try {
        for await (const { id } of broken.generate(prompt, { temperature: 0, ignoreEos: true, ...options })) ids.push(id);
        return [ids, "no error"];
      } catch (error) {
        return [ids, (error as { code: string }).code];
      }
    };
    const expected = await until({});
    assert.deepEqual([expected[0].length, expected[1]], [39, "non-finite"]);
    assert.deepEqual(await until({ speculate: "lookup" }), expected);
    assert.equal(broken.freePages, broken.pages);
    broken.dispose();
  });

  it("goes on without a guess where no page is left for it", async () => {
    const model = await load(randomCheckpoint(SHAPE, 25), { maxSequences: 1 });
    const { pages } = lifetimeOf(model).value;
    const held = model.sequence();
    held.append([1]);
    const prompt = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3];
    const options = { temperature: 0, ignoreEos: true, maxTokens: 20 } as const;
    assert.equal(pages, 3);
    assert.deepEqual(await collected(model, prompt, { ...options, speculate: "lookup" }), await collected(model, prompt, options));
    held.dispose();
    model.dispose();
  });

  it("refuses other names", async () => {
    const model = await load(randomCheckpoint(SHAPE, 26));
    for (const speculate of [true, "draft", null, 4]) throwsKvasm(() => model.generate([1], { speculate: speculate as never }), "value", "speculate");
    model.dispose();
  });
});
