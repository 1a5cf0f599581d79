/** Golden bits of the stories model, as golden.test.ts has them for tiny ones: 40 tokens, logits over 50257. */
import { load } from "../../bindings/index.ts";
import { concatenated, digest } from "../oracle/golden.ts";
import { assert, describe, it } from "../support/harness.ts";
import { readGolden } from "../support/reference-golden.ts";
import { loadOriginal } from "../support/reference-stories.ts";

describe("golden bits of the stories model", () => {
  it("in one call, one token at a time, and after a fork", { timeout: 120_000 }, async () => {
    const golden = (await readGolden()).models.find(({ folder }) => folder === "stories")!;
    const model = await loadOriginal();
    const { logits, hiddenStates } = model.trace(golden.ids, { hiddenStates: true });
    assert.equal(await digest(logits), golden.logits, "logits");
    assert.equal(await digest(concatenated(hiddenStates!)), golden.hiddenStates, "hidden states");

    const sequence = model.sequence();
    assert.equal(await digest(concatenated(golden.ids.map((id) => sequence.decode(id)))), golden.logits, "one token at a time");

    sequence.truncate(19);
    const branch = sequence.fork();
    branch.decode(0);
    sequence.dispose();
    branch.truncate(19);
    const rest = branch.prefill(golden.ids.slice(19), { all: true });
    assert.equal(await digest(concatenated([logits.slice(0, 19 * model.config.vocab_size), rest])), golden.logits, "after truncate and fork");

    rest[0] = -rest[0];
    assert.notEqual(await digest(concatenated([logits.slice(0, 19 * model.config.vocab_size), rest])), golden.logits, "a sign shows");
    model.dispose();
  });

  it("of int8 and of int4", { timeout: 120_000 }, async () => {
    const recorded = (await readGolden()).integers.filter(({ folder }) => folder === "stories");
    assert.equal(recorded.length, 2);
    for (const { ids, weights, cache, ...golden } of recorded) {
      // What ships is int8: as such it has these bits without being asked for them.
      const model = weights === "q8" ? await load(undefined, { cache }) : await loadOriginal({ weights, cache });
      assert.equal(model.weights, weights);
      const { logits, hiddenStates } = model.trace(ids, { hiddenStates: true });
      assert.equal(await digest(logits), golden.logits, `${weights} weights, ${cache} cache: logits`);
      assert.equal(await digest(concatenated(hiddenStates!)), golden.hiddenStates, `${weights} weights, ${cache} cache: hidden states`);
      const sequence = model.sequence();
      assert.equal(await digest(concatenated(ids.map((id) => sequence.decode(id)))), golden.logits, `${weights} weights, ${cache} cache: one by one`);
      model.dispose();
    }
  });
});
