/**
 * The second implementation of docs/NUMERICS.md, alone, against float64 truth. That the module equals it is the subject of
 * oracle-equality.node.test.ts.
 */
import { ACTIVATIONS } from "../oracle/activations.ts";
import { readCheckpoint } from "../oracle/checkpoint.ts";
import { exp, log, normalDistribution, tanh } from "../oracle/elementary.ts";
import { laneSum, ofBits } from "../oracle/float.ts";
import { forward } from "../oracle/forward.ts";
import { philox4x32, uniform } from "../oracle/random.ts";
import { NEUTRAL, distribution, draw, logProbability } from "../oracle/sampler.ts";
import { fixture, repositoryFile } from "../support/files.ts";
import { assert, describe, hexBits, it } from "../support/harness.ts";
import { probabilityBar, samplingCases } from "../support/reference-sampling.ts";
import { FOLDERS, assertCase, assertWithin, bar, maxDifference, reference, rows, weightFiles } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";

const { fround } = Math;

/** Distance of two neighbouring binary32 numbers at a value. */
function unit(value: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(value)))) - 23);
}

/** Every step-th binary32 in [low, high] of either sign. */
function* floats(low: number, high: number, step: number): Generator<number> {
  for (let bits = 0; bits < 0x7f800000; bits += step) {
    const x = ofBits(bits);
    if (x <= high && x >= low) yield x;
    if (-x >= low && -x <= high) yield -x;
  }
}

/** Largest error in units in the last place, and largest absolute one. */
function worst(f: (x: number) => number, truth: (x: number) => number, low: number, high: number): { units: number; absolute: number } {
  let units = 0;
  let absolute = 0;
  for (const x of floats(low, high, 20011)) {
    const y = truth(x);
    const error = Math.abs(f(x) - y);
    absolute = Math.max(absolute, error);
    units = Math.max(units, error / unit(y));
  }
  assert.ok(absolute > 0, "an error of nothing means that nothing was measured");
  return { units, absolute };
}

/** Φ in float64: a series near 0, Lentz's continued fraction of erfc in the tails. */
function trueNormalDistribution(x: number): number {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  const a = Math.abs(x);
  if (a < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) sum += term *= (x * x) / (2 * n + 1);
    return 0.5 + density * sum;
  }
  let fraction = a;
  for (let n = 200; n > 0; n--) fraction = a + n / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}

const sigmoid = (y: number): number => 1 / (1 + Math.exp(-y));

const TRUE_ACTIVATIONS: Record<string, (x: number) => number> = {
  gelu_new: (x) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)),
  gelu_fast: (x) => x * sigmoid(2 * 0.7978845608 * (x + 0.044715 * x ** 3)),
  gelu: (x) => x * trueNormalDistribution(x),
  quick_gelu: (x) => x * sigmoid(1.702 * x),
  silu: (x) => x * sigmoid(x),
  relu: (x) => Math.max(x, 0),
  tanh: Math.tanh,
};

describe("NUMERICS.md", () => {
  it("writes each constant as a decimal that is the binary32 beside it", async () => {
    const page = new TextDecoder().decode(await repositoryFile("docs/NUMERICS.md"));
    const pairs = [...page.replaceAll("−", "-").matchAll(/(-?\d[\d.]*(?:e-?\d+)?) \(([0-9a-f]{8})\)/g)];
    assert.ok(pairs.length >= 28, `${pairs.length} constants found`);
    for (const [, decimal, bits] of pairs) assert.equal(hexBits(fround(Number(decimal))), bits, decimal);
  });
});

describe("oracle: elementary functions", () => {
  it("exp is within 0.991 units in the last place of e^x, and a normal number everywhere", () => {
    assert.ok(worst(exp, Math.exp, -87, 88).units < 0.991);
    assert.equal(hexBits(exp(0)), hexBits(1));
    assert.equal(hexBits(exp(-0)), hexBits(1));
    assert.equal(exp(-1000), exp(-87));
    assert.equal(exp(1000), exp(88));
    assert.ok(Number.isFinite(exp(88)) && exp(-87) >= 2 ** -126);
  });

  it("tanh is within 1.34 units in the last place and odd", () => {
    assert.ok(worst(tanh, Math.tanh, -20, 20).units < 1.34);
    assert.equal(hexBits(tanh(-0)), hexBits(0));
    for (const x of [2 ** -149, 0.1, 0.6249999, 0.625, 1, 50]) assert.equal(hexBits(tanh(-x)), hexBits(-tanh(x)));
  });

  it("Φ is within 3.01e-7, and never leaves [0, 1]", () => {
    assert.ok(worst(normalDistribution, trueNormalDistribution, -12, 12).absolute < 3.01e-7);
    for (const x of floats(-1e30, 1e30, 1000003)) assert.ok(normalDistribution(x) >= 0 && normalDistribution(x) <= 1);
    assert.equal(hexBits(normalDistribution(-0)), hexBits(normalDistribution(0)));
  });

  it("log is within two units in the last place of binary64", () => {
    for (let v = 1; v < 1e30; v *= 1.0007) assertWithin([log(v)], [Math.log(v)], 2 * 2 ** -52 * Math.max(Math.log(v), 2 ** -2), `log ${v}`);
    assert.equal(log(1), 0);
    assert.equal(log(2), Math.LN2);
  });

  it("activations are within the error of a few rounded operations", () => {
    for (const [name, truth] of Object.entries(TRUE_ACTIVATIONS)) {
      // Where the value is not small: six roundings on the way, each weighed by up to |y| of e^y, here at most 8.
      let error = 0;
      for (const x of floats(-4, 8, 20011)) error = Math.max(error, Math.abs(ACTIVATIONS[name](x) - truth(x)) / Math.max(1, Math.abs(x)));
      assert.ok(error < 4e-7, `${name}: ${error}`);
    }
    assert.equal(hexBits(ACTIVATIONS["relu"](-0)), hexBits(0));
    for (const f of Object.values(ACTIVATIONS)) for (const x of [1e4, -1e4, 1e9, -1e9]) assert.ok(Number.isFinite(f(x)));
  });

  it("bounds are tight enough to see a changed coefficient", () => {
    const careless = (x: number): number => fround(exp(x) * (1 + 2 ** -21));
    assert.ok(worst(careless, Math.exp, -87, 88).units > 1);
  });

  it("lane sums are sums, in their own order", () => {
    const x = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i) * 10 ** (i % 5));
    const truth = x.reduce((sum, value) => sum + value, 0);
    const scale = x.reduce((sum, value) => sum + Math.abs(value), 0);
    assertWithin([laneSum(x)], [truth], (100 / 16 + 5) * 2 ** -24 * scale, "lane sum");
    let ascending = 0;
    for (const value of x) ascending = fround(ascending + value);
    assert.notEqual(laneSum(x), ascending);
    const padded = new Float32Array(112);
    padded.set(x);
    assert.equal(hexBits(laneSum(padded)), hexBits(laneSum(x)), "zeros behind do not show");
  });
});

describe("oracle: random numbers", () => {
  const words = (text: string): number[] => text.split(" ").map((word) => parseInt(word, 16));

  it("Philox4x32-10 gives Random123's known answers", () => {
    // tests/kat_vectors of Random123: counter, key, result.
    for (const [counter, key, expected] of [
      ["00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
      ["ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"],
      ["243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"],
    ]) {
      assert.deepEqual(philox4x32(words(counter), words(key)), words(expected));
    }
  });

  it("u is in [0, 1) and depends on seed, both its halves, position and stream", () => {
    const u = uniform(1, 2, 3);
    for (const other of [uniform(2, 2, 3), uniform(1 + 2 ** 32, 2, 3), uniform(1, 3, 3), uniform(1, 2, 4)]) assert.notEqual(other, u);
    let sum = 0;
    for (let position = 0; position < 1000; position++) {
      const value = uniform(2 ** 53 - 1, position, 0);
      assert.ok(value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24));
      sum += value;
    }
    assertWithin([sum / 1000], [0.5], 4 / Math.sqrt(12 * 1000), "mean"); // four standard deviations
  });
});

describe("oracle: forward pass against float64", () => {
  const load = (folder: Folder): ReturnType<typeof readCheckpoint> => readCheckpoint((name) => fixture(`${folder}/${name}`), weightFiles(folder));

  for (const folder of FOLDERS) {
    it(folder, async () => {
      const truth = await reference(folder);
      const checkpoint = await load(folder);
      for (const of of truth.cases) assertCase(folder, truth, of, forward(checkpoint, of.input_ids));
    });
  }

  it("the bar sees an activation, a scale or an epsilon ignored by the stated amount", async () => {
    for (const [folder, field, value] of [
      ["activation-gelu", "activation_function", "gelu_new"], ["activation-quick_gelu", "activation_function", "gelu_new"],
      ["no-scale", "scale_attn_weights", true], ["inverse-layer", "scale_attn_by_inverse_layer_idx", false],
      ["epsilon", "layer_norm_epsilon", 1e-5], ["epsilon-large", "layer_norm_epsilon", 1e-5],
    ] as const) {
      const { cases, tensors, flag_ignored_wrong_by } = await reference(folder);
      const checkpoint = await load(folder);
      const ignoring = { ...checkpoint, config: { ...checkpoint.config, [field]: value } };
      const of = cases.at(-1)!; // the case that the stated amount is of
      const wrong = maxDifference(forward(ignoring, of.input_ids).logits, tensors[`${of.name}.logits`].values);
      assertWithin([wrong], [flag_ignored_wrong_by![field]], bar(of, "logits"), `${folder} wrong by`);
      assert.ok(wrong > 50 * bar(of, "logits"));
    }
  });

  it("a row's bits do not depend on the rows behind it", async () => {
    const checkpoint = await load("base");
    const { cases } = await reference("base");
    const ids = cases.find(({ name }) => name === "t64")!.input_ids;
    const whole = rows(forward(checkpoint, ids).logits, checkpoint.config.vocab_size);
    for (const length of [1, 16, 17, 33]) {
      const part = rows(forward(checkpoint, ids.slice(0, length)).logits, checkpoint.config.vocab_size);
      part.forEach((row, t) => assert.deepEqual(new Uint32Array(row.slice().buffer), new Uint32Array(whole[t].slice().buffer)));
    }
  });
});

describe("oracle: sampler against float64", () => {
  it("has every probability within the error of its roundings, and within 4 times PyTorch's", async () => {
    const cases = await samplingCases();
    assert.equal(cases.length, 21);
    for (const { name, logits, options, history, truth, torchDifference } of cases.filter(({ inOrder }) => inOrder)) {
      const probabilities = distribution(logits, options, history);
      const limits = probabilityBar(truth);
      probabilities.forEach((p, v) => assert.ok(Math.abs(p - truth[v]) <= limits[v], `${name}: ${v}: ${p} for ${truth[v]}`));
      assertWithin(probabilities, truth, 4 * torchDifference, name);
      const removed = (p: number): boolean => p === 0;
      assert.ok(truth.every((p, v) => !removed(p) || removed(probabilities[v])), `${name}: keeps a token that it should remove`);
    }
  });

  it("applies temperature before top-p: the case with the other order is another distribution", async () => {
    const cases = await samplingCases();
    const other = cases.filter(({ inOrder }) => !inOrder);
    assert.deepEqual(other.map(({ name }) => name), ["temperature_after_top_p"]);
    const [{ logits, options, truth, kept }] = other;
    const probabilities = distribution(logits, options);
    assert.ok(maxDifference(probabilities, truth) > 0.02);
    assert.ok(probabilities.filter((p) => p > 0).length < kept);
  });

  it("draws each token as often as its probability says", async () => {
    const [{ logits }] = await samplingCases();
    const settings = { ...NEUTRAL, topK: 6 };
    const probabilities = distribution(logits, settings);
    const counts = new Map<number, number>();
    const draws = 3000;
    for (let position = 0; position < draws; position++) {
      const id = draw(logits, settings, [], 7, position);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    assert.equal(counts.size, 6);
    for (const [id, count] of counts) {
      const p = probabilities[id];
      assertWithin([count], [draws * p], 4.5 * Math.sqrt(draws * p * (1 - p)), `token ${id}`);
    }
  });

  it("log probabilities agree with float64", async () => {
    const [{ logits, truth }] = await samplingCases();
    truth.forEach((p, v) => assertWithin([logProbability(logits, v)], [Math.log(p)], 2 ** -22, `token ${v}`));
  });
});
