/** Sequence.sample and Model.distribution as an API: options, errors, seeds, history. What they compute has suites of its own. */
import { load } from "../../bindings/index.ts";
import type { Model, SamplerOptions, Sequence } from "../../bindings/index.ts";
import { throwsKvasm } from "../support/errors.ts";
import { after, assert, before, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { NOT_IDS, NOT_NUMBER, NOT_OPTIONS, badIds } from "../support/hostile.ts";
import { someIds } from "../support/models.ts";
import { argmaxOf, checkpointFiles } from "../support/reference.ts";

let model: Model;
let sequence: Sequence;
let logits: Float32Array;
let vocab: number;

before(async () => {
  model = await load(await checkpointFiles("base"));
  vocab = model.config.vocab_size;
  sequence = model.sequence();
  logits = sequence.prefill(someIds(20, vocab));
});
after(() => model.dispose());

describe("sample and distribution refuse", () => {
  /** Both entry points must say the same. */
  const refuse = (options: unknown, code: "type" | "value" | "option", argument?: string): void => {
    throwsKvasm(() => sequence.sample(options as SamplerOptions), code, argument);
    throwsKvasm(() => model.distribution(logits, options as SamplerOptions), code, argument);
  };

  it("what is no options object, and unknown options", () => {
    for (const value of NOT_OPTIONS) refuse(value, "type", "sampler options");
    for (const name of ["top_k", "Temperature", "topk", "maxTokens", "stop", "logprobs"]) refuse({ [name]: 1 }, "option", name);
  });

  it("what is no number", () => {
    for (const name of ["temperature", "topK", "topP", "minP", "typicalP", "repetitionPenalty", "presencePenalty", "frequencyPenalty", "seed", "stream"]) {
      for (const value of NOT_NUMBER) refuse({ [name]: value }, "type", name);
      for (const value of [NaN, Infinity, -Infinity]) refuse({ [name]: value }, "value", name);
    }
  });

  it("numbers out of range", () => {
    const wrong: Record<string, number[]> = {
      temperature: [-1, -1e-9, 1e7, 1e-31, Number.MIN_VALUE],
      topK: [-1, 0.5, 2 ** 32],
      topP: [-0.1, 1.1], minP: [-0.1, 1.1], typicalP: [-0.1, 1.1],
      repetitionPenalty: [0, -1, 1e-7, 1e7], presencePenalty: [1e7, -1e7], frequencyPenalty: [1e7, -1e7],
      seed: [-1, 0.5, 2 ** 53, 1e300], stream: [-1, 0.5, 2 ** 32],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) refuse({ [name]: value }, "value", name);
    }
  });

  it("biases that are none", () => {
    for (const value of [null, 1, "1", [], [1], new Uint32Array(1), true, () => {}]) refuse({ logitBias: value }, "type", "logitBias");
    for (const key of ["x", "1.5", "-1", "1e2", "01", " 1", ""]) refuse({ logitBias: { [key]: 1 } }, "type", "logitBias");
    for (const key of [vocab, 2 ** 32, 2 ** 53]) refuse({ logitBias: { [key]: 1 } }, "value", "logitBias");
    for (const value of NOT_NUMBER) refuse({ logitBias: { 7: value } }, "type", "logitBias[7]");
    for (const value of [NaN, Infinity, -Infinity, 1e31]) refuse({ logitBias: { 7: value } }, "value", "logitBias[7]");
    for (const key of [-1, 0.5, vocab, NaN]) refuse({ logitBias: new Map([[key, 1]]) }, "value", "logitBias");
    for (const key of ["7", null, 7n]) refuse({ logitBias: new Map([[key, 1]]) }, "type", "logitBias");
  });

  it("logits that are not a row of finite floats", () => {
    for (const value of [null, undefined, 1, "logits", {}, new Float64Array(vocab), new Uint32Array(vocab), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4 * vocab)]) {
      throwsKvasm(() => model.distribution(value as Float32Array), "type", "logits");
    }
    for (const length of [0, 1, vocab - 1, vocab + 1]) {
      assert.equal(throwsKvasm(() => model.distribution(new Float32Array(length)), "value", "logits").value, length);
    }
    for (const bad of [NaN, Infinity, -Infinity, 1e39]) {
      const row = [...logits];
      row[11] = bad;
      throwsKvasm(() => model.distribution(row), "non-finite", "logits[11]");
      throwsKvasm(() => model.distribution(Float32Array.from(row)), "non-finite", "logits[11]");
    }
    for (const bad of ["0", null, 1n, undefined]) {
      const row: unknown[] = [...logits];
      row[11] = bad;
      throwsKvasm(() => model.distribution(row as number[]), "type", "logits[11]");
    }
  });

  it("a history that is none", () => {
    for (const value of NOT_IDS) if (value !== undefined) throwsKvasm(() => model.distribution(logits, {}, value as number[]), "type", "history");
    for (const [value, code] of badIds(vocab)) throwsKvasm(() => model.distribution(logits, {}, value as number[]), code);
  });

  it("and nothing has changed by it", () => {
    assert.equal(sequence.length, 20);
    assert.equal(sequence.sample({ temperature: 0 }), argmaxOf(logits));
    differentBits(model.distribution(logits), logits);
  });
});

describe("sample", () => {
  it("takes the largest logit at temperature 0, whatever the seed", () => {
    for (const seed of [0, 1, 2 ** 53 - 1]) assert.equal(sequence.sample({ temperature: 0, seed, topP: 0.5, topK: 3 }), argmaxOf(logits));
    assert.equal(sequence.sample({ topK: 1, seed: 5 }), argmaxOf(logits));
    assert.equal(sequence.sample({ topP: 0, seed: 5 }), argmaxOf(logits));
    assert.equal(sequence.sample({ temperature: 1e-30, seed: 5 }), argmaxOf(logits));
  });

  it("is a function of seed, stream and position", () => {
    const draws = (options: SamplerOptions) => Array.from({ length: 8 }, () => sequence.sample(options));
    assert.equal(new Set(draws({ seed: 7 })).size, 1);
    const seeds = Array.from({ length: 64 }, (_, seed) => sequence.sample({ seed, temperature: 2 }));
    assert.ok(new Set(seeds).size > 16, "seeds draw differently");
    const streams = Array.from({ length: 64 }, (_, stream) => sequence.sample({ seed: 7, stream, temperature: 2 }));
    assert.ok(new Set(streams).size > 16, "streams draw differently");
    assert.equal(streams[0], sequence.sample({ seed: 7, temperature: 2 }));
    // Both halves of a seed of more than 32 bits count.
    const high = Array.from({ length: 64 }, (_, i) => sequence.sample({ seed: 7 + i * 2 ** 32, temperature: 2 }));
    assert.ok(new Set(high).size > 16, "the high half of a seed");
    // At this temperature all tokens are as good as equally likely, so the draw shows the random number and hardly the logits.
    const other = model.sequence();
    const flat = () => Array.from({ length: 64 }, (_, seed) => other.sample({ seed, temperature: 1e6 }));
    other.prefill(someIds(20, vocab));
    const here = flat();
    other.truncate(19);
    other.decode(5);
    const sameHere = flat().filter((id, i) => id === here[i]).length;
    assert.ok(sameHere > 56, `${sameHere} of 64 at the same position`);
    other.decode(5);
    const sameNext = flat().filter((id, i) => id === here[i]).length;
    assert.ok(sameNext < 8, `${sameNext} of 64 at the next position`);
    other.dispose();
  });

  it("draws only what the distribution has", () => {
    for (const options of [{ topK: 5 }, { topP: 0.5 }, { minP: 0.2 }, { typicalP: 0.3 }, { temperature: 0.3, repetitionPenalty: 2 }, { logitBias: { 3: 20, 4: 20 } }]) {
      const probabilities = model.distribution(logits, options, sequence.ids);
      const kept = new Set([...probabilities.keys()].filter((v) => probabilities[v] > 0));
      const drawn = Array.from({ length: 100 }, (_, seed) => sequence.sample({ ...options, seed }));
      assert.ok(drawn.every((id) => kept.has(id)), JSON.stringify(options));
      assert.ok(kept.size < vocab);
      // The likeliest comes about as often as it should: within five deviations of 100 draws.
      const best = argmaxOf(probabilities);
      const p = probabilities[best];
      const seen = drawn.filter((id) => id === best).length;
      assert.ok(Math.abs(seen - 100 * p) <= 5 * Math.sqrt(100 * p * (1 - p)) + 1, `${seen} of 100 for p = ${p}`);
    }
  });

  it("counts the sequence's tokens, the prompt's as well, as history", () => {
    const ids = someIds(20, vocab);
    const ban = { temperature: 0, presencePenalty: 1e5 };
    assert.ok(!ids.includes(sequence.sample(ban)));
    const unseen = [...logits].map((x, v) => (ids.includes(v) ? -Infinity : x));
    assert.equal(sequence.sample(ban), argmaxOf(unseen));
  });

  it("uses a seed of the sequence where none is given, and tells it", () => {
    const other = model.sequence();
    other.prefill(someIds(20, vocab));
    const { seed } = other;
    assert.ok(Number.isSafeInteger(seed) && seed >= 0);
    for (let i = 0; i < 4; i++) assert.equal(other.sample({ temperature: 2 }), other.sample({ temperature: 2, seed }));
    const seeds = Array.from({ length: 8 }, () => {
      const one = model.sequence();
      const { seed } = one;
      one.dispose();
      return seed;
    });
    assert.equal(new Set(seeds).size, 8, "random seeds differ");
    assert.ok(seeds.some((seed) => seed > 2 ** 32), "of more than 32 bits");
    other.dispose();
  });

  it("does not append", () => {
    sequence.sample();
    assert.equal(sequence.length, 20);
  });

  it("takes a bias as object or Map, undefined options, and forgets them with the next call", () => {
    const greedy = argmaxOf(logits);
    assert.equal(sequence.sample({ temperature: 0, logitBias: { 9: 1e30 } }), 9);
    assert.equal(sequence.sample({ temperature: 0, logitBias: new Map([[9, 1e30]]) }), 9);
    assert.equal(sequence.sample({ temperature: 0, logitBias: {} }), greedy);
    assert.equal(sequence.sample({ temperature: 0, topK: undefined, logitBias: undefined, seed: undefined }), greedy);
    const banned = sequence.sample({ temperature: 0, logitBias: { [greedy]: -1e30 } });
    assert.notEqual(banned, greedy);
  });
});

describe("distribution", () => {
  it("adds up to 1 and touches no sequence", () => {
    const before = sequence.sample({ temperature: 0 });
    const probabilities = model.distribution(new Float32Array(vocab));
    const sum = probabilities.reduce((a, b) => a + b, 0);
    // Each of the 331 quotients rounds to within 2⁻²⁵ of itself.
    assert.ok(Math.abs(sum - 1) < 2 ** -24, `${sum}`);
    assert.equal(new Set(probabilities).size, 1, "equal logits, equal probabilities");
    assert.equal(sequence.sample({ temperature: 0 }), before);
    sameBits(sequence.fork().prefill([1]), sequence.fork().prefill([1]));
  });

  it("returns a copy, the same each time, and takes arrays and Float32Arrays", () => {
    const first = model.distribution(logits, { temperature: 0.7 });
    const copy = first.slice();
    model.distribution(new Float32Array(vocab));
    sameBits(first, copy, "after another call");
    sameBits(model.distribution([...logits], { temperature: 0.7 }), copy, "an array");
    differentBits(model.distribution(logits, { temperature: 0.8 }), copy, "another temperature");
  });

  it("forgets the history of the call before", () => {
    const options = { frequencyPenalty: 1.5, repetitionPenalty: 1.3 };
    const without = model.distribution(logits, options);
    differentBits(model.distribution(logits, options, [1, 1, 2]), without, "with a history");
    sameBits(model.distribution(logits, options, []), without, "without one again");
    sameBits(model.distribution(logits, options, new Int32Array()), without, "an empty Int32Array");
  });

  it("counts a history of any length", () => {
    const long = Array.from({ length: 100_000 }, (_, i) => i % 5); // more than fits in staging at once
    const some = model.distribution(logits, { presencePenalty: 1 }, [0, 1, 2, 3, 4]);
    sameBits(model.distribution(logits, { presencePenalty: 1 }, long), some, "presence");
    const counted = model.distribution(logits, { frequencyPenalty: 2 ** -10 }, long);
    const direct = Float32Array.from(logits, (x, v) => (v < 5 ? x - 20_000 / 1024 : x));
    const expected = model.distribution(direct);
    for (let v = 0; v < vocab; v++) assert.ok(Math.abs(counted[v] - expected[v]) <= 2e-6 * expected[v] + 1e-12, `${v}: ${counted[v]} and ${expected[v]}`);
  });

  it("is the draw's own: the same options, the same removed tokens", () => {
    for (const options of [{ topK: 7 }, { topP: 0.3 }, { typicalP: 0.2 }]) {
      const kept = model.distribution(logits, options).filter((p) => p > 0).length;
      assert.ok(kept > 0 && kept < vocab, JSON.stringify(options));
    }
    assert.equal(model.distribution(logits, { topK: 7 }).filter((p) => p > 0).length, 7);
    assert.equal(model.distribution(new Float32Array(vocab), { topK: 7 }).filter((p) => p > 0).length, vocab, "ties stay");
    assert.equal(model.distribution(logits, { temperature: 0 })[argmaxOf(logits)], 1);
  });
});
