/** Processors: they see the row that decoding gives, and what they leave there is what the sampler works on, whichever way the row was computed. */
import { load } from "../../bindings/index.ts";
import type { GenerateOptions, KvasmErrorCode, LogitProcessor } from "../../bindings/index.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { collected } from "../support/guessing.ts";
import { assert, describe, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import { randomCheckpoint } from "../support/reference-random.ts";

const SHAPE = { n_embd: 16, n_head: 2, n_layer: 1, n_inner: 24, vocab_size: 9, n_positions: 60, eos_token_id: 5 };

/** Forbids tokens, others at each length. */
const forbid: LogitProcessor = (ids, logits) => {
  for (let id = 0; id < logits.length; id++) if ((id + ids.length) % 3 === 0) logits[id] = -Infinity;
};
/** Depends on the row and on all ids, and returns something that means nothing. */
const shake: LogitProcessor = (ids, logits) => {
  const sum = ids.reduce((a, b) => a + b, 0);
  return logits[sum % logits.length] = Math.fround(logits[(sum + 1) % logits.length]! + 0.5);
};

describe("processors", () => {
  it("see the ids and the logits that decoding gives, and the token is drawn from what they leave", async () => {
    const model = await load(randomCheckpoint(SHAPE, 41));
    const prompt = someIds(20, SHAPE.vocab_size);
    const seen: { ids: number[]; logits: Float32Array }[] = [];
    const look: LogitProcessor = (ids, logits) => void seen.push({ ids: [...ids], logits: logits.slice() });
    const items = await collected(model, prompt, { maxTokens: 12, seed: 1, ignoreEos: true, logprobs: true, processors: [look, forbid] });
    const sequence = model.sequence();
    sequence.append(prompt);
    items.forEach(({ id, logprob }, i) => {
      const ids = [...prompt, ...items.slice(0, i).map((item) => item.id)];
      assert.deepEqual(seen[i]!.ids, ids);
      assert.notEqual((id + ids.length) % 3, 0, "a forbidden token");
      assert.equal(logprob, sequence.score([id])[0], "the model's own");
      const logits = sequence.decode(id);
      if (i + 1 < items.length) sameBits(seen[i + 1]!.logits, logits);
    });
    assert.equal(seen.length, 12);
    model.dispose();
  });

  it("that forbid draw what a bias that forbids does, under every other option", async () => {
    const model = await load(randomCheckpoint(SHAPE, 42));
    const without: LogitProcessor = (_, logits) => void logits.fill(-Infinity, 2, 5);
    let differ = 0;
    for (const options of [{}, { temperature: 0 }, { topK: 3 }, { topP: 0.7 }, { minP: 0.1 }, { typicalP: 0.6 }, { repetitionPenalty: 1.4, presencePenalty: 0.5, frequencyPenalty: 0.2 }, { temperature: 1e6 }]) {
      for (let seed = 0; seed < 6; seed++) {
        const all: GenerateOptions = { maxTokens: 20, seed, ...options };
        const expected = await collected(model, [1, seed], { ...all, logitBias: { 2: -1e30, 3: -1e30, 4: -1e30 } });
        assert.deepEqual(await collected(model, [1, seed], { ...all, processors: [without] }), expected, JSON.stringify(all));
        if (JSON.stringify(await collected(model, [1, seed], all)) !== JSON.stringify(expected)) differ++;
      }
    }
    assert.ok(differ > 20, "the control: without the processor other tokens come");
    model.dispose();
  });

  it("give the same with guesses, of the text and of a draft, and beside others", async () => {
    const model = await load(randomCheckpoint(SHAPE, 43), { maxSequences: 12 });
    const draft = await load(randomCheckpoint(SHAPE, 43), { weights: "q8" });
    const all = Array.from({ length: 8 }, (_, seed) => ({
      prompt: [1, 2, 3, 1, 2, 3, seed], options: { maxTokens: 40, seed, temperature: seed % 3 * 0.4, logprobs: true, ignoreEos: seed % 2 === 0, processors: seed % 4 === 3 ? [forbid] : [shake, forbid] } satisfies GenerateOptions,
    }));
    const expected = [];
    for (const { prompt, options } of all) expected.push(await collected(model, prompt, options));
    assert.notDeepEqual(await collected(model, all[0]!.prompt, { ...all[0]!.options, processors: [] }), expected[0]);
    for (const speculate of [false, "lookup", { draft }] as const) {
      assert.deepEqual(await Promise.all(all.map(({ prompt, options }) => collected(model, prompt, { ...options, speculate }))), expected);
    }
    assert.equal(model.freePages, model.pages);
    model.dispose();
    draft.dispose();
  });

  it("that leave what cannot be drawn from are errors that name them, and the others go on", async () => {
    const model = await load(randomCheckpoint(SHAPE, 44));
    const fine = { maxTokens: 20, seed: 3 };
    const expected = await collected(model, [1, 2], fine);
    const reason = new Error("the caller's own");
    let kept: Float32Array | undefined;
    const wrong: [LogitProcessor, KvasmErrorCode | Error][] = [
      [(_, logits) => { logits[3] = NaN; }, "value"],
      [(_, logits) => { logits[3] = Infinity; }, "value"],
      [(_, logits) => { logits.fill(-Infinity); }, "value"],
      [(_, logits) => { structuredClone(logits.buffer, { transfer: [logits.buffer as ArrayBuffer] }); }, "value"],
      [async () => { throw new Error("nobody waits for it"); }, "type"],
      [(_, logits) => logits.slice() as never, "type"],
      [() => { throw reason; }, reason],
    ];
    for (const [processor, error] of wrong) {
      for (const speculate of [false, "lookup"] as const) {
        const late: LogitProcessor = (ids, logits) => (ids.length > 9 ? processor(ids, logits) : void (kept = logits));
        const failing = collected(model, [1, 2, 1, 2, 1, 2], { maxTokens: 30, seed: 1, ignoreEos: true, speculate, processors: [() => {}, late] });
        const other = collected(model, [1, 2], fine);
        if (typeof error === "string") await rejectsKvasm(() => failing, error, "processors[1]");
        else await assert.rejects(failing, (thrown) => thrown === error);
        kept!.fill(NaN); // a row that is kept is nobody's
        assert.deepEqual(await other, expected);
        assert.equal(model.freePages, model.pages);
      }
    }
    await rejectsKvasm(() => collected(model, [1], { processors: forbid as never }), "type", "processors");
    await rejectsKvasm(() => collected(model, [1], { processors: [forbid, 3 as never] }), "type", "processors[1]");
    model.dispose();
  });
});
