/** Log probabilities of given tokens: those of the model's logits, in windows as Hugging Face's documentation has them. */
import { load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import { connect } from "../../bindings/entries/worker.ts";
import { rejectsKvasm, throwsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";
import { NOT_IDS, NOT_OPTIONS } from "../support/hostile.ts";
import { someIds, withModel } from "../support/models.ts";
import { CACHES, WEIGHTS } from "../support/quantized.ts";
import { checkpointFiles, reference } from "../support/reference.ts";

/** In float64, from the model's own logits of the tokens. */
function expected(model: Model, ids: readonly number[]): number[] {
  const { vocab_size } = model.config;
  const { logits } = model.trace(ids);
  return ids.slice(1).map((id, i) => {
    const row = logits.subarray(i * vocab_size, (i + 1) * vocab_size);
    const largest = Math.max(...row);
    return row[id]! - largest - Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
  });
}

function near(actual: ArrayLike<number>, truth: readonly number[], what = ""): void {
  assert.equal(actual.length, truth.length, what);
  truth.forEach((value, i) => assert.ok(Math.abs(actual[i]! - value) < 1e-6, `${what} ${i}: ${actual[i]} for ${value}`));
}

let model: Model;
let ids: number[];
before(async () => {
  model = await load(await checkpointFiles("base"), { contextLength: 24 });
  ids = someIds(64, model.config.vocab_size);
});
after(() => model.dispose());

describe("model.score", () => {
  it("has float64's sums for the reference model", async () => {
    for (const folder of ["base", "odd", "untied"] as const) {
      const { cases } = await reference(folder);
      await withModel(folder, async (whole) => {
        for (const { input_ids, nll, name } of cases) {
          if (input_ids.length < 2) continue;
          const [score] = await whole.score([input_ids]);
          assert.equal(score!.logprobs.length, input_ids.length - 1);
          const sum = score!.logprobs.reduce((a, b) => a - b, 0);
          assert.ok(Math.abs(sum - nll) < 1e-4 * input_ids.length, `${folder}, ${name}: ${sum} for ${nll}`);
          const perplexity = Math.exp(nll / (input_ids.length - 1));
          assert.ok(Math.abs(score!.perplexity / perplexity - 1) < 1e-4, `${score!.perplexity} for ${perplexity}`);
          assert.ok(Math.abs(score!.perplexity / Math.exp(sum / (input_ids.length - 1)) - 1) < 2e-7);
        }
      });
    }
  });

  it("is of the model's own logits in every pair of types", async () => {
    for (const weights of WEIGHTS) {
      for (const cache of CACHES) {
        await withModel("base", async (whole) => near((await whole.score([ids]))[0]!.logprobs, expected(whole, ids), `${weights}, ${cache}`), { weights, cache });
      }
    }
  });

  it("goes in windows over what is longer than the context, each token counting once, where it has the most before it", async () => {
    for (const length of [2, 3, 23, 24, 25, 26, 40, 64]) {
      for (const stride of [1, 5, 12, 23, undefined]) {
        // Hugging Face's loop, literally.
        const truth: number[] = [];
        let previousEnd = 0;
        for (let begin = 0; begin < length; begin += stride ?? 12) {
          const end = Math.min(begin + 24, length);
          const targets = end - previousEnd;
          const window = ids.slice(begin, end);
          const logprobs = expected(model, window);
          truth.push(...logprobs.slice(Math.max(0, logprobs.length - targets)));
          previousEnd = end;
          if (end === length) break;
        }
        const [score] = await model.score([ids.slice(0, length)], { stride });
        near(score!.logprobs, truth, `${length}, ${stride}`);
        assert.ok(Math.abs(score!.perplexity / Math.exp(-truth.reduce((a, b) => a + b, 0) / truth.length) - 1) < 1e-6);
      }
    }
  });

  it("scores several texts, of a tokenizer's too", async () => {
    const stories = await load();
    const texts = ["Once upon a time", "Once upon a time there was a king"];
    const scores = await stories.score(texts);
    assert.deepEqual(scores.map((one) => [...one.ids]), texts.map((text) => stories.tokenizer!.encode(text)));
    assert.deepEqual(scores[1]!.logprobs.slice(0, scores[0]!.logprobs.length), scores[0]!.logprobs, "the same beginning, the same bits");
    const there = await connect();
    assert.deepEqual(await there.score(texts), scores);
    const remote = await there.sequence();
    await remote.append([...scores[1]!.ids.subarray(0, 3)]);
    assert.deepEqual(await remote.score(scores[1]!.ids.slice(3)), scores[1]!.logprobs.slice(2));
    assert.equal(remote.length, 3);
    await there.dispose();
    stories.dispose();
  });

  it("refuses what cannot be, keeps nothing, and may be aborted", async () => {
    for (const value of [null, undefined, "text", {}, 1]) await rejectsKvasm(() => model.score(value as never), "type", "texts");
    await rejectsKvasm(() => model.score(["text"]), "tokenizer", "texts[0]");
    for (const value of NOT_IDS.filter((one) => typeof one !== "string")) await rejectsKvasm(() => model.score([[1, 2], value as never]), "type", "texts[1]");
    for (const short of [[], [1]]) await rejectsKvasm(() => model.score([short]), "value", "texts[0]");
    for (const stride of [0, 24, 1.5, NaN]) await rejectsKvasm(() => model.score([ids], { stride }), "value", "stride");
    for (const value of NOT_OPTIONS) await rejectsKvasm(() => model.score([ids], value as never), "type", "score options");
    const controller = new AbortController();
    const reason = new Error("enough");
    const scoring = model.score([ids, ids], { stride: 1, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 0);
    await assert.rejects(scoring, reason);
    assert.deepEqual(await model.score([]), []);
    assert.equal(model.freePages, model.pages);
  });
});

describe("sequence.score", () => {
  it("gives the log probabilities that generate and prefill show, and leaves the sequence as it is", () => {
    const sequence = model.sequence();
    sequence.append(ids.slice(0, 7));
    const greedy = sequence.sample({ temperature: 0 });
    const whole = expected(model, ids.slice(0, 24));
    for (const count of [1, 2, 17]) {
      near(sequence.score(ids.slice(7, 7 + count)), whole.slice(6, 6 + count));
      assert.deepEqual([sequence.length, sequence.sample({ temperature: 0 })], [7, greedy]);
    }
    const one = sequence.score([ids[7]!])[0];
    assert.equal(sequence.score(ids.slice(7, 12))[0], one);
    assert.notEqual(sequence.score([ids[8]!])[0], one);
    throwsKvasm(() => sequence.score(ids.slice(7, 25)), "context", "ids");
    throwsKvasm(() => sequence.score([]), "value", "ids");
    throwsKvasm(() => sequence.score([1, model.config.vocab_size]), "value", "ids[1]");
    sequence.truncate(3);
    throwsKvasm(() => sequence.score([1]), "state");
    sequence.truncate(0);
    throwsKvasm(() => sequence.score([1, 2]), "state");
    sequence.dispose();
    throwsKvasm(() => sequence.score([1]), "disposed");
    assert.equal(model.freePages, model.pages);
  });
});
