/** The likeliest tokens at each place: those of the row of logits itself, in an order that ties do not change. */
import { load } from "../../bindings/index.ts";
import { load as loadSource } from "../../bindings/model/load.ts";
import { throwsKvasm } from "../support/errors.ts";
import { injectFault } from "../support/faults.ts";
import { collected } from "../support/guessing.ts";
import { assert, describe, it } from "../support/harness.ts";
import { randomCheckpoint } from "../support/reference-random.ts";

const SHAPE = { n_embd: 16, n_head: 2, n_layer: 1, n_inner: 24, vocab_size: 37, n_positions: 60, eos_token_id: 5 };

describe("topLogprobs", () => {
  it("are the row's largest logits, with the bits that score gives each", async () => {
    const model = await load(randomCheckpoint(SHAPE, 51));
    for (const topLogprobs of [1, 2, 5, 37, 100]) {
      const sequence = model.sequence();
      let logits = sequence.prefill([1, 2, 3]);
      for (const { id, logprob, topLogprobs: top } of await collected(model, [1, 2, 3], { maxTokens: 15, seed: 2, temperature: 2, ignoreEos: true, logprobs: true, topLogprobs, processors: [(_, row) => void row.reverse()] })) {
        const order = Array.from(logits, (_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, topLogprobs);
        assert.deepEqual(top!.map((one) => one.id), order);
        for (const one of top!) assert.ok(Object.is(one.logprob, sequence.score([one.id])[0]), `${one.id}`);
        const own = top!.find((one) => one.id === id);
        assert.ok(own === undefined ? topLogprobs < 37 : Object.is(own.logprob, logprob));
        logits = sequence.decode(id);
      }
      sequence.dispose();
    }
    model.dispose();
  });

  it("of equal logits have the lower id first", async () => {
    const model = await loadSource(randomCheckpoint({ ...SHAPE, vocab_size: 9 }, 52));
    injectFault(model, (real, { memory: { f32 } }) => ({
      likeliest(header, logits, count) {
        f32.set([1, 2, 1, 2, 0, 1, 3, -0, 2], (logits >>> 0) / 4);
        return real.likeliest(header, logits, count);
      },
    }));
    for (const topLogprobs of [1, 3, 6, 9]) {
      const [first] = await collected(model, [1], { maxTokens: 1, topLogprobs, prefixCache: false });
      assert.deepEqual(first!.topLogprobs!.map(({ id }) => id), [6, 1, 3, 8, 0, 2, 5, 4, 7].slice(0, topLogprobs));
    }
    model.dispose();
  });

  it("are the same with guesses and do not change what is drawn", async () => {
    const model = await load(randomCheckpoint({ ...SHAPE, vocab_size: 9 }, 53));
    for (let seed = 0; seed < 10; seed++) {
      const options = { maxTokens: 30, seed, temperature: 0.5, logprobs: true, repetitionPenalty: 1.2 } as const;
      const expected = await collected(model, [1, 2, 1, 2], { ...options, topLogprobs: 3 });
      assert.deepEqual(await collected(model, [1, 2, 1, 2], { ...options, topLogprobs: 3, speculate: "lookup" }), expected);
      assert.deepEqual(expected.map(({ topLogprobs: _, ...item }) => item), await collected(model, [1, 2, 1, 2], options));
    }
    throwsKvasm(() => model.generate([1], { topLogprobs: 101 }), "value", "topLogprobs");
    throwsKvasm(() => model.generate([1], { topLogprobs: true as never }), "type", "topLogprobs");
    model.dispose();
  });
});
