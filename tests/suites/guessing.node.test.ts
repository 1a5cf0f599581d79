/** Ten thousand prompts, greedy and drawn: with guesses and without, the same tokens. */
import { load } from "../../bindings/index.ts";
import { sameWithGuesses } from "../support/guessing.ts";
import { assert, describe, it } from "../support/harness.ts";
import { randomCheckpoint } from "../support/reference-random.ts";

describe("generate with guesses", () => {
  it("gives what it gives without, for ten thousand prompts", { timeout: 240_000 }, async () => {
    let tokens = 0;
    for (let part = 0; part < 10; part++) {
      const model = await load(randomCheckpoint({ n_embd: 8, n_head: 1, n_layer: 1, n_inner: 16, vocab_size: 4 + 3 * part, n_positions: 36, eos_token_id: 1 }, part), { maxSequences: 2 });
      tokens += await sameWithGuesses(model, 100_000 + 1000 * part, 1000);
      model.dispose();
    }
    assert.ok(tokens > 50_000, `${tokens} tokens`);
  });
});
