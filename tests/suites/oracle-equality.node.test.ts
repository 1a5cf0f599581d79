/**
 * The module and the oracle, two implementations of docs/NUMERICS.md that share no code: the same bits everywhere. Other
 * runtimes compare the digests that the oracle recorded (golden.test.ts).
 */
import type { Model } from "../../bindings/index.ts";
import { readCheckpoint } from "../oracle/checkpoint.ts";
import type { Checkpoint } from "../oracle/checkpoint.ts";
import { add } from "../oracle/float.ts";
import { forward } from "../oracle/forward.ts";
import type { Operations } from "../oracle/forward.ts";
import { goldenIntegers, goldenModel, goldenSampling } from "../oracle/golden.ts";
import { NEUTRAL, argmax, distribution, draw, logProbability } from "../oracle/sampler.ts";
import type { Settings } from "../oracle/sampler.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { assertEqual, both } from "../support/oracle.ts";
import { withConfig, withTensors } from "../support/reference-edit.ts";
import { readGolden } from "../support/reference-golden.ts";
import { randomCheckpoint, randomNumbers } from "../support/reference-random.ts";
import type { Shape } from "../support/reference-random.ts";
import { samplingCases } from "../support/reference-sampling.ts";
import { FOLDERS, checkpointFiles, reference, rows, weightFiles } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";

const someIds = (count: number, vocabulary: number, seed: number): number[] => {
  const next = randomNumbers(seed);
  return Array.from({ length: count }, () => Math.floor(((next() + 1) / 2) * vocabulary));
};

describe("module and oracle: forward pass", () => {
  for (const folder of FOLDERS) {
    it(folder, async () => {
      const { cases } = await reference(folder);
      await both(await checkpointFiles(folder), (model, checkpoint) => {
        for (const { name, input_ids } of cases) assertEqual(model, checkpoint, input_ids, `${folder} ${name}`);
      });
    });
  }

  const SHAPES: [string, Shape, number, number][] = [
    ["the smallest there is", { n_embd: 1, n_head: 1, n_layer: 1, n_inner: 1, vocab_size: 1, n_positions: 40 }, 40, 1],
    ["head size 1", { n_embd: 5, n_head: 5, n_layer: 2, n_inner: 3, vocab_size: 17, n_positions: 20 }, 20, 1],
    ["head size 3, an inner layer narrower than the model", { n_embd: 21, n_head: 7, n_layer: 2, n_inner: 13, vocab_size: 33, n_positions: 35 }, 35, 1],
    ["head size 17", { n_embd: 34, n_head: 2, n_layer: 2, n_inner: 65, vocab_size: 50, n_positions: 70 }, 70, 1],
    ["head size 65, beyond a step of 64 rows and nine pages", { n_embd: 65, n_head: 1, n_layer: 1, n_inner: 100, vocab_size: 97, n_positions: 150 }, 150, 1],
    ["weights so large that most probabilities are cut off to +0", { n_embd: 48, n_head: 3, n_layer: 3, n_inner: 192, vocab_size: 64, n_positions: 64 }, 64, 30],
    ["weights so small that products are subnormal", { n_embd: 32, n_head: 2, n_layer: 2, n_inner: 128, vocab_size: 40, n_positions: 33 }, 33, 1e-21],
  ];
  const NAMES = ["gelu_new", "gelu", "quick_gelu", "relu", "silu", "tanh", "gelu_fast"];
  SHAPES.forEach(([what, shape, length, scale], i) => {
    it(what, async () => {
      const files = randomCheckpoint({ ...shape, activation_function: NAMES[i], scale_attn_by_inverse_layer_idx: i % 2 === 1 }, 100 + i, scale);
      await both(files, (model, checkpoint) => assertEqual(model, checkpoint, someIds(length, shape.vocab_size, i), what));
    });
  });

  it("the shape with large weights does cut off, and the one with small weights is subnormal somewhere", async () => {
    const probabilities = (i: number): Promise<Float32Array> => {
      const [, shape, length, scale] = SHAPES[i];
      return both(randomCheckpoint({ ...shape, activation_function: NAMES[i] }, 100 + i, scale), (_, checkpoint) => {
        const { attentions, keys } = forward(checkpoint, someIds(length, shape.vocab_size, i));
        return i === 5 ? attentions[0] : keys[0];
      });
    };
    const attention = rows(await probabilities(5), 64);
    assert.ok(attention.some((row, t) => t % 64 > 3 && row.subarray(0, (t % 64) + 1).includes(0)));
    const [, shape, , scale] = SHAPES[6];
    await both(randomCheckpoint(shape, 106, scale), (_, checkpoint) => {
      const product = checkpoint.tensors["wte.weight"][0] * checkpoint.tensors["wte.weight"][1];
      assert.ok(product !== 0 && Math.abs(product) < 2 ** -126);
    });
  });

  it("every activation over a wide range of arguments", async () => {
    // One token, one layer: the inner layer's arguments are its bias, thousands of numbers of all sizes and both signs.
    const next = randomNumbers(9);
    const F = 4096;
    const bias = Float32Array.from({ length: F }, (_, i) => (i < 4 ? [0, -0, 0.625, -0.625][i] : Math.sign(next()) * 2 ** (next() * 20 - 8)));
    for (const activation_function of ["gelu_new", "gelu", "quick_gelu", "relu", "silu", "tanh"]) {
      const shape = { n_embd: 4, n_head: 1, n_layer: 1, n_inner: F, vocab_size: 5, n_positions: 4, activation_function };
      const files = withTensors(randomCheckpoint(shape, 8), (all) => {
        all.get("h.0.mlp.c_fc.weight")!.bytes.fill(0);
        all.set("h.0.mlp.c_fc.bias", { dtype: "F32", shape: [F], bytes: new Uint8Array(bias.buffer) });
        // Each inner value goes to one column alone, scaled by a power of two: none hides behind a larger one's rounding for long.
        const weight = new Float32Array(F * 4);
        bias.forEach((value, k) => (weight[k * 4 + (k % 4)] = 2 ** -Math.ceil(Math.log2(Math.abs(value) || 1))));
        all.set("h.0.mlp.c_proj.weight", { dtype: "F32", shape: [F, 4], bytes: new Uint8Array(weight.buffer) });
      });
      await both(files, (model, checkpoint) => assertEqual(model, checkpoint, [3], activation_function));
    }
  });

  it("every activation at single arguments", async () => {
    // n_inner 1 and a residual of zeros: the block's output is the activation itself.
    const arguments_ = [-100, -13, -8, -5.5, -1, -0.6249, -2e-3, -1e-30, 0, 1e-30, 2e-3, 0.3, 0.625, 1, 3, 8, 12.9, 70, 1e5];
    for (const activation_function of ["gelu_new", "gelu", "quick_gelu", "relu", "silu", "tanh"]) {
      for (const argument of arguments_) {
        const shape = { n_embd: 2, n_head: 1, n_layer: 1, n_inner: 1, vocab_size: 2, n_positions: 1, activation_function };
        const files = withTensors(randomCheckpoint(shape, 3), (all) => {
          for (const [name, { bytes }] of all) if (!name.startsWith("ln_f")) bytes.fill(0);
          new Float32Array(all.get("h.0.mlp.c_fc.bias")!.bytes.buffer)[0] = argument;
          new Float32Array(all.get("h.0.mlp.c_proj.weight")!.bytes.buffer).set([1, 0]);
        });
        await both(files, (model, checkpoint) => assertEqual(model, checkpoint, [0], `${activation_function}(${argument})`));
      }
    }
  });
});

describe("module and oracle: negative controls", () => {
  const descending: Operations["linear"] = (x, weight, bias) => Float32Array.from(bias, (b, n) => {
    let sum = 0;
    for (let k = x.length - 1; k >= 0; k--) sum = Math.fround(sum + Math.fround(x[k] * weight[k * bias.length + n]));
    return Math.fround(sum + b);
  });
  const halves: Operations["linear"] = (x, weight, bias) => Float32Array.from(bias, (b, n) => {
    const part = (from: number, to: number): number => {
      let sum = 0;
      for (let k = from; k < to; k++) sum = Math.fround(sum + Math.fround(x[k] * weight[k * bias.length + n]));
      return sum;
    };
    return Math.fround(Math.fround(part(0, x.length >> 1) + part(x.length >> 1, x.length)) + b);
  });
  const biasFirst: Operations["linear"] = (x, weight, bias) => Float32Array.from(bias, (b, n) => {
    let sum = b;
    for (let k = 0; k < x.length; k++) sum = Math.fround(sum + Math.fround(x[k] * weight[k * bias.length + n]));
    return sum;
  });
  const fused: Operations["linear"] = (x, weight, bias) => Float32Array.from(bias, (b, n) => {
    let sum = 0;
    for (let k = 0; k < x.length; k++) sum = Math.fround(sum + x[k] * weight[k * bias.length + n]);
    return Math.fround(sum + b);
  });
  const controls: [string, Partial<Operations>][] = [
    ["sums in descending order", { linear: descending }],
    ["sums of two halves", { linear: halves }],
    ["the bias first", { linear: biasFirst }],
    ["products that are not rounded", { linear: fused }],
    ["one running sum in place of lanes", { laneSum: (x) => x.reduce(add, 0) }],
    ["a correctly rounded exp", { exp: (x) => Math.fround(Math.exp(x)) }],
  ];
  for (const [what, changed] of controls) {
    it(`the module does not compute ${what}`, async () => {
      await both(await checkpointFiles("base"), async (model, checkpoint) => {
        const { input_ids } = (await reference("base")).cases[1];
        differentBits(model.trace(input_ids).logits, forward(checkpoint, input_ids, changed).logits);
        sameBits(model.trace(input_ids).logits, forward(checkpoint, input_ids).logits);
      });
    });
  }
});

describe("module and oracle: sampler", () => {
  const onBase = async (use: (model: Model, checkpoint: Checkpoint) => void | Promise<void>): Promise<void> =>
    both(await checkpointFiles("base"), use);

  it("the reference cases", async () => {
    const cases = await samplingCases();
    await onBase((model) => {
      for (const { name, logits, options, history } of cases) {
        sameBits(model.distribution(logits, options, history), distribution(logits, options, history), name);
      }
    });
  });

  it("random rows, ties, extremes and options", async () => {
    const next = randomNumbers(77);
    const pick = <T>(items: readonly T[]): T => items[Math.min(items.length - 1, Math.floor(((next() + 1) / 2) * items.length))];
    await onBase((model, { config: { vocab_size: V } }) => {
      let cut = 0;
      for (let i = 0; i < 800; i++) {
        const scale = pick([0, 0.5, 3, 30, 1000]);
        const steps = pick([0, 0, 1, 4]); // coarse values: ties
        const shift = pick([0, 0, -96]);
        const logits = Float32Array.from({ length: V }, () => {
          const x = (next() + next() + next()) * scale;
          return (steps === 0 ? x : Math.round(x * steps) / steps) + shift;
        });
        const settings: Settings = {
          temperature: pick([1, 1, 0.7, 1.5, 0, 1e-3, 100, 1e-30]),
          topK: pick([0, 0, 1, 5, 40, V - 1, V, 1000]),
          topP: pick([1, 1, 0.9, 0.5, 0.01, 0.999, 0]),
          minP: pick([0, 0, 0.05, 0.5, 1]),
          typicalP: pick([1, 1, 0.9, 0.2, 0.01, 0]),
          repetitionPenalty: pick([1, 1, 1.2, 0.5, 3]),
          presencePenalty: pick([0, 0.5, -1]),
          frequencyPenalty: pick([0, 0.3, -0.2]),
          logitBias: pick<Record<number, number>>([{}, { 3: -100, 7: 5 }, { 330: 1e30 }, { 0: -1e30, 1: -1e30 }]),
        };
        const history = someIds(pick([0, 5, 60]), V, i);
        const expected = distribution(logits, settings, history);
        sameBits(model.distribution(logits, settings, history), expected, `${i}: ${JSON.stringify(settings)}`);
        if (expected.filter((p) => p > 0).length < V) cut++;
      }
      assert.ok(cut > 200 && cut < 800);
    });
  });

  it("a vocabulary beyond 2¹⁷, where the grid of weights is coarser", async () => {
    const V = 2 ** 17 + 5;
    const next = randomNumbers(79);
    const files = randomCheckpoint({ n_embd: 1, n_head: 1, n_layer: 1, n_inner: 1, vocab_size: V, n_positions: 2 }, 6);
    await both(files, (model) => {
      for (const scale of [0, 1, 8]) {
        const logits = Float32Array.from({ length: V }, () => next() * scale);
        for (const change of [{}, { topK: 1000 }, { topP: 0.9 }, { typicalP: 0.5, minP: 1e-3 }]) {
          sameBits(model.distribution(logits, change), distribution(logits, { ...NEUTRAL, ...change }), `${scale} ${JSON.stringify(change)}`);
        }
      }
    });
  });

  it("draws, for seeds, streams and positions", async () => {
    await onBase(async (model, { config: { vocab_size: V } }) => {
      const sequence = model.sequence();
      const history = someIds(11, V, 5);
      let logits = sequence.prefill(history);
      const next = randomNumbers(78);
      let different = 0;
      for (let i = 0; i < 400; i++) {
        const seed = i === 0 ? 0 : i === 1 ? 2 ** 53 - 1 : Math.floor(((next() + 1) / 2) * 2 ** 52) + i * 1234567891;
        const stream = [0, 1, 2 ** 32 - 1][i % 3];
        const settings = { ...NEUTRAL, temperature: [1, 0.7, 3, 0][i % 4], topK: i % 5 === 0 ? 10 : 0, typicalP: i % 7 === 0 ? 0.7 : 1, repetitionPenalty: 1.3 };
        const expected = draw(logits, settings, history, seed, history.length, stream);
        assert.equal(sequence.sample({ ...settings, seed, stream }), expected, `draw ${i}`);
        if (expected !== draw(logits, settings, history, seed, history.length + 1, stream)) different++;
        if (i % 10 === 9) {
          history.push(expected);
          logits = sequence.decode(expected);
        }
      }
      assert.ok(different > 100, "another position is another number");
      sequence.dispose();
    });
  });

  it("log probabilities, to the last bit of binary64", async () => {
    await onBase(async (model) => {
      const ids = (await reference("base")).cases[0].input_ids;
      const sequence = model.sequence();
      let logits = sequence.prefill(ids);
      for await (const { id, logprob } of model.generate(ids, { seed: 3, temperature: 2, maxTokens: 40, ignoreEos: true, logprobs: true })) {
        assert.ok(Object.is(logprob, logProbability(logits, id)), `${id}: ${logprob} for ${logProbability(logits, id)}`);
        logits = sequence.decode(id);
      }
      sequence.dispose();
    });
  });

  it("argmax takes the lowest of equals", async () => {
    // Tokens 8 to 15 share the embeddings of 0 to 7: every logit is there twice.
    const files = withTensors(randomCheckpoint({ n_embd: 8, n_head: 2, n_layer: 1, n_inner: 8, vocab_size: 16, n_positions: 8 }, 5), (all) => {
      const { bytes } = all.get("wte.weight")!;
      bytes.copyWithin(bytes.length / 2, 0, bytes.length / 2);
    });
    await both(files, (model) => {
      const sequence = model.sequence();
      for (let id = 8; id < 14; id++) {
        const logits = sequence.decode(id);
        sameBits(logits.slice(8), logits.slice(0, 8));
        const chosen = sequence.sample({ temperature: 0 });
        assert.equal(chosen, argmax(logits));
        assert.ok(chosen < 8);
      }
      sequence.dispose();
    });
  });
});

describe("golden.json", () => {
  const oracleOf = async (folder: Folder): Promise<Checkpoint> => {
    const files = await checkpointFiles(folder);
    return readCheckpoint(async (name) => files[name], weightFiles(folder));
  };

  it("is what the oracle computes", async () => {
    const { models, integers, sampling } = await readGolden();
    for (const golden of models.filter(({ folder }) => folder !== "stories")) {
      assert.deepEqual(await goldenModel(golden.folder, await oracleOf(golden.folder as Folder), golden.ids), golden, golden.folder);
    }
    for (const golden of integers.filter(({ folder }) => folder !== "stories")) {
      const { folder, ids, weights, cache } = golden;
      assert.deepEqual(await goldenIntegers(folder, await oracleOf(folder as Folder), ids, weights, cache), golden, `${folder} ${weights} ${cache}`);
    }
    for (const golden of sampling) {
      const { folder, ids, seed, drawn, settings } = golden;
      assert.deepEqual(await goldenSampling(folder, await oracleOf(folder as Folder), ids, seed, drawn.length, settings), golden, `sampling ${seed}`);
    }
  });

  it("is of this version of the numerics: another formula gives other digests", async () => {
    const { models: [golden] } = await readGolden();
    const files = withConfig(await checkpointFiles("base"), { activation_function: "gelu" });
    const other = await goldenModel("base", await readCheckpoint(async (name) => files[name]), golden.ids);
    assert.notEqual(other.logits, golden.logits);
    assert.notEqual(other.hiddenStates, golden.hiddenStates);
  });
});
