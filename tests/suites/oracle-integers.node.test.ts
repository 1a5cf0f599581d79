/** Integer weights and the types of the cache: the module and the oracle have the same bits in all nine combinations. */
import { estimate, load } from "../../bindings/index.ts";
import type { Model } from "../../bindings/index.ts";
import { forward } from "../oracle/forward.ts";
import { concatenated } from "../oracle/golden.ts";
import type { Operations } from "../oracle/forward.ts";
import { divide, multiply } from "../oracle/float.ts";
import { GROUP, dot, half, quantize } from "../oracle/integers.ts";
import { withIntegers } from "../oracle/matrices.ts";
import type { MatrixOperations } from "../oracle/matrices.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { CACHE_TYPES, WEIGHT_TYPES, assertEqual, readFiles } from "../support/oracle.ts";
import type { Types } from "../support/oracle.ts";
import { withTensors } from "../support/reference-edit.ts";
import { randomCheckpoint, randomNumbers } from "../support/reference-random.ts";
import type { Shape } from "../support/reference-random.ts";
import { FOLDERS, checkpointFiles, reference } from "../support/reference.ts";

async function withModel(files: Files, types: Types, use: (model: Model) => void): Promise<void> {
  const model = await load(files, types);
  try {
    use(model);
  } finally {
    model.dispose();
  }
}

/** All nine combinations, or those of some weights. */
async function assertEverywhere(files: Files, lists: number[][], what: string, weightTypes: readonly Types["weights"][] = WEIGHT_TYPES): Promise<void> {
  const checkpoint = await readFiles(files);
  for (const weights of weightTypes) {
    const integers = withIntegers(checkpoint, weights);
    for (const cache of CACHE_TYPES) {
      await withModel(files, { weights, cache }, (model) => {
        for (const ids of lists) {
          const where = `${what}, ${weights} weights, ${cache} cache, ${ids.length} tokens`;
          assertEqual(model, integers, ids, where, cache);
          const sequence = model.sequence();
          sameBits(concatenated(ids.map((id) => sequence.decode(id))), model.trace(ids).logits, `${where}, one at a time`);
          sequence.dispose();
        }
      });
    }
  }
}

/** Changes the numbers of a tensor in place. */
const edited = (files: Files, changes: Record<string, (values: Float32Array, shape: number[]) => void>): Files =>
  withTensors(files, (tensors) => {
    for (const [name, change] of Object.entries(changes)) {
      const { bytes, shape } = tensors.get(name)!;
      change(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), shape);
    }
  });

describe("module and oracle: weights and caches of all types", () => {
  for (const folder of FOLDERS) {
    it(folder, { timeout: 120_000 }, async () => {
      const { cases } = await reference(folder);
      await assertEverywhere(await checkpointFiles(folder), cases.map(({ input_ids }) => input_ids), folder);
    });
  }

  const SHAPES: [string, Shape, number, number][] = [
    ["the smallest there is", { n_embd: 1, n_head: 1, n_layer: 1, n_inner: 1, vocab_size: 1, n_positions: 40 }, 40, 1],
    ["head size 1, groups that are short", { n_embd: 5, n_head: 5, n_layer: 2, n_inner: 3, vocab_size: 17, n_positions: 20 }, 20, 1],
    ["head size 3, K of 21 and 33", { n_embd: 21, n_head: 7, n_layer: 2, n_inner: 33, vocab_size: 33, n_positions: 35 }, 35, 1],
    ["head size 17, a last group of 1 and of 31", { n_embd: 34, n_head: 2, n_layer: 2, n_inner: 63, vocab_size: 50, n_positions: 70 }, 70, 1],
    ["head size 65, nine pages and more than a step", { n_embd: 65, n_head: 1, n_layer: 1, n_inner: 100, vocab_size: 97, n_positions: 150 }, 150, 1],
    ["probabilities cut off to +0", { n_embd: 48, n_head: 3, n_layer: 3, n_inner: 192, vocab_size: 64, n_positions: 64 }, 64, 30],
    ["weights of 2⁻⁷⁰", { n_embd: 32, n_head: 2, n_layer: 2, n_inner: 128, vocab_size: 40, n_positions: 33 }, 33, 2 ** -70],
  ];
  SHAPES.forEach(([what, shape, length, scale], i) => {
    it(what, async () => {
      const files = randomCheckpoint({ ...shape, activation_function: ["gelu_new", "gelu", "relu"][i % 3] }, 300 + i, scale);
      await assertEverywhere(files, [someIds(length, shape.vocab_size, i)], what);
    });
  });

  it("lengths at the borders of pages", async () => {
    const shape = { n_embd: 20, n_head: 2, n_layer: 2, n_inner: 40, vocab_size: 30, n_positions: 49 };
    await assertEverywhere(randomCheckpoint(shape, 320), [1, 2, 15, 16, 17, 31, 32, 33, 48, 49].map((n) => someIds(n, 30, n)), "borders");
  });

  for (const inner of [8191, 8192, 8193, 16384 + 37]) {
    it(`an inner layer of ${inner}: blocks of 8192`, async () => {
      const shape = { n_embd: 2, n_head: 1, n_layer: 1, n_inner: inner, vocab_size: 3, n_positions: 4 };
      await assertEverywhere(randomCheckpoint(shape, 330), [[0, 2, 1]], `${inner}`, ["q8", "q4"]);
    });
  }

  it("an inner layer as long as int8 can have, and one more: that is refused", async () => {
    const long = (inner: number): Files => randomCheckpoint({ n_embd: 1, n_head: 1, n_layer: 1, n_inner: inner, vocab_size: 2, n_positions: 2 }, 331);
    await assertEverywhere(long(122880), [[0, 1]], "122880", ["q8"]);
    await assertEverywhere(long(122881), [[0, 1]], "122881", ["q4"]);
    await rejectsKvasm(() => load(long(122881), { weights: "q8" }), "unsupported", "weights");
    const wide = { n_embd: 8193, n_head: 1, n_layer: 1, vocab_size: 2, n_positions: 2 };
    await rejectsKvasm(() => estimate(wide, { weights: "q4", cache: "q8" }), "unsupported", "cache");
    assert.equal((await estimate({ ...wide, n_embd: 8192 }, { weights: "q4", cache: "q8" })).fits, true);
    assert.equal((await estimate(wide, { weights: "q4", cache: "f16" })).fits, true);
    await rejectsKvasm(() => estimate({ ...wide, n_embd: 122881, n_inner: 4 }, { weights: "q8" }), "unsupported", "weights");
  });

  it("zeros: outputs, groups, rows of activations, keys, values and queries", async () => {
    const shape = { n_embd: 64, n_head: 4, n_layer: 2, n_inner: 96, vocab_size: 40, n_positions: 40 };
    const zeroOutput = (values: Float32Array, [K, N]: number[]): void => {
      for (let k = 0; k < K; k++) for (let n = 0; n < N; n += 3) values[k * N + n] = n % 2 ? -0 : 0;
    };
    const zeroGroup = (values: Float32Array, [K, N]: number[]): void => {
      for (let k = 32; k < Math.min(64, K); k++) for (let n = 0; n < N; n++) if (n % 5 < 3) values[k * N + n] = 0;
    };
    const zero = (values: Float32Array): void => void values.fill(0);
    const headless = (values: Float32Array): void => void values.fill(0, 0, 16).fill(0, 64 + 16, 64 + 32).fill(0, 128 + 32, 128 + 48);
    const files = edited(randomCheckpoint(shape, 340), {
      "wte.weight": (values) => void values.fill(0, 0, 64 * 8).fill(-0, 64 * 8, 64 * 9),
      "wpe.weight": (values) => void values.fill(-0, 0, 64 * 7),
      // The first layer's heads 0, 1 and 2 have no query, no key and no value; its inner layer gets a row of zeros.
      "h.0.attn.c_attn.weight": (values) => { for (let k = 0; k < 64; k++) headless(values.subarray(k * 192, (k + 1) * 192)); },
      "h.0.attn.c_attn.bias": headless,
      "h.0.ln_2.weight": zero, "h.0.ln_2.bias": zero, "h.0.mlp.c_fc.bias": zero,
      "h.1.attn.c_attn.weight": zeroOutput, "h.1.attn.c_proj.weight": zeroGroup, "h.1.mlp.c_fc.weight": zeroGroup, "h.1.mlp.c_proj.weight": zeroOutput,
    });
    await assertEverywhere(files, [someIds(40, 40, 3), [0, 8, 1, 8, 2]], "zeros");
  });

  it("magnitudes from 2⁻¹²⁰ to 1e30, beside each other", async () => {
    const shape = { n_embd: 64, n_head: 4, n_layer: 2, n_inner: 96, vocab_size: 48, n_positions: 40 };
    // By output, and by group of an output. Beyond 8 · 65504 int4 has no scale, beyond 2⁶⁴ no sum of squares; below 2⁻²⁵ · 8 scales are 0.
    const sizes = [1, 2 ** -120, 2 ** -101, 2 ** -99, 1e-9, 3e-7, 2e-6, 1e-4];
    const byOutput = (values: Float32Array, [K, N]: number[]): void => {
      for (let k = 0; k < K; k++) for (let n = 0; n < N; n++) values[k * N + n] *= sizes[(n + 3 * Math.floor(k / 32)) % sizes.length];
    };
    const large = (values: Float32Array, [K, N]: number[]): void => {
      const factors = [1, 3e5, 1e6, 1e12, 1e19, 1e22, 1e30];
      for (let k = 0; k < K; k++) for (let n = 0; n < N; n++) values[k * N + n] *= factors[n % factors.length];
    };
    // Large numbers go into columns of the inner layer that go nowhere, or into a very small weight.
    const small = (values: Float32Array, [K, N]: number[]): void => {
      const factors = [1, 1e-6, 1e-6, 1e-13, 1e-20, 1e-23, 1e-31];
      for (let k = 0; k < K; k++) for (let n = 0; n < N; n++) values[k * N + n] *= factors[k % factors.length];
    };
    const base = randomCheckpoint({ ...shape, activation_function: "relu" }, 350);
    await assertEverywhere(edited(base, {
      "wte.weight": (values) => { for (let v = 0; v < 48; v++) for (let c = 0; c < 64; c++) values[v * 64 + c] *= sizes[(v + Math.floor(c / 32)) % sizes.length]; },
      "h.0.attn.c_attn.weight": byOutput, "h.0.attn.c_proj.weight": byOutput, "h.1.mlp.c_fc.weight": byOutput, "h.1.mlp.c_proj.weight": byOutput,
    }), [someIds(40, 48, 4)], "small");
    await assertEverywhere(edited(base, { "h.0.mlp.c_fc.weight": large, "h.0.mlp.c_proj.weight": small }), [someIds(40, 48, 5)], "large");
  });

  it("keys and values at the ends of binary16, and below what int8 scales reach", async () => {
    const shape = { n_embd: 64, n_head: 4, n_layer: 2, n_inner: 64, vocab_size: 30, n_positions: 40 };
    const steps = [1, 65504 / 3, 70000, 1e6, 6e-5, 1e-6, 3e-8, 1e-9];
    // Keys and values; a query as small as a key is large keeps the scores in range.
    const scaled = (values: Float32Array): void => {
      for (let i = 0; i < values.length; i++) {
        const column = i % 192;
        const step = steps[column % steps.length];
        values[i] *= column < 64 ? Math.min(1, 1 / step) : step;
      }
    };
    await assertEverywhere(edited(randomCheckpoint(shape, 360), { "h.0.attn.c_attn.weight": scaled, "h.0.attn.c_attn.bias": scaled }), [someIds(40, 30, 6)], "binary16");
    const tiny = (values: Float32Array): void => {
      for (let i = 0; i < values.length; i++) values[i] *= [2 ** -130, 2 ** -101, 2 ** -98, 1][Math.floor((i % 64) / 16)];
    };
    await assertEverywhere(edited(randomCheckpoint(shape, 361), { "h.0.attn.c_attn.weight": tiny, "h.0.attn.c_attn.bias": tiny }), [someIds(40, 30, 7)], "tiny");
  });

  it("weights that lie halfway between integers: ties", async () => {
    const shape = { n_embd: 64, n_head: 4, n_layer: 1, n_inner: 64, vocab_size: 40, n_positions: 40 };
    const next = randomNumbers(5);
    const ties = (values: Float32Array, [K, N]: number[]): void => {
      // Steps of 1/128, and 127/64 in each column and row: W = w · 64. In every group of 32, for int4, 8/4 is there, and quarters' halves.
      for (let i = 0; i < K * N; i++) values[i] = Math.round(next() * 253) / 128;
      for (let k = 0; k < K; k += 16) for (let n = 0; n < N; n++) values[k * N + n] = n % 2 ? 127 / 64 : -2;
      for (let k = 0; k < K; k++) for (let n = 0; n < N; n += 2) values[k * N + n] = k % 16 === 0 ? -2 : Math.round(next() * 7) / 4 + 1 / 8;
    };
    const names = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"];
    const files = edited(randomCheckpoint(shape, 370), Object.fromEntries(names.map((name) => [`h.0.${name}.weight`, ties])));
    const { tensors } = await readFiles(files);
    const column = Float32Array.from({ length: 64 }, (_, k) => tensors["h.0.mlp.c_fc.weight"][k * 64 + 1]);
    assert.ok(column.some((w) => (w * 64) % 1 === 0.5), "there are ties");
    await assertEverywhere(files, [someIds(40, 40, 8)], "ties");
  });
});

describe("module and oracle: bounds of the integer sums", () => {
  /** Activations of the inner layer are its bias alone; `mlp.c_proj` then sums what is set here. */
  const sums = (inner: number, activation: (k: number) => number, weight: (k: number, n: number) => number): Files =>
    edited(randomCheckpoint({ n_embd: 4, n_head: 1, n_layer: 1, n_inner: inner, vocab_size: 5, n_positions: 14, activation_function: "tanh" }, 400), {
      "h.0.mlp.c_fc.weight": (values) => void values.fill(0),
      "h.0.mlp.c_fc.bias": (values) => values.forEach((_, k) => (values[k] = activation(k))),
      "h.0.mlp.c_proj.weight": (values) => values.forEach((_, i) => (values[i] = weight(Math.floor(i / 4), i % 4))),
    });

  it("8192 products of ±127 and ±2047 fit 32 bits; one more block does not wrap either", async () => {
    const all = (_: number, n: number): number => [1, -1, 0.5, -0.25][n];
    for (const inner of [8192, 8193, 16384]) {
      for (const sign of [1, -1]) await assertEverywhere(sums(inner, () => 9 * sign, all), [[1, 2, 3]], `${sign} · ${inner}`, ["q8"]);
    }
    // A longer block would: the bound is near.
    assert.ok(8192 * 127 * 2047 < 2 ** 31 && 8261 * 127 * 2047 > 2 ** 31);
    const { integers: [W] } = withIntegers(await readFiles(sums(8261, () => 9, all)), "q8").matrices!["h.0.mlp.c_proj"];
    const X = quantize(new Float32Array(8261).fill(1), 2047).integers;
    assert.equal(dot(X, W, 0, 8192), 8192 * 127 * 2047);
    assert.throws(() => dot(X, W, 0, 8261), /no 32-bit integer/);
  });

  it("int4's activations of ±127 throughout: their differences and their products with −8 … 7 fit 16 bits, sums of a group 24", async () => {
    // Differences of an octet's planes; two products of a signed byte and a nibble stored + 8; and f32 has all sums of a group.
    assert.ok(17 * 127 <= 32767 && 2 * 15 * 127 <= 32767 && 32 * 8 * 127 < 2 ** 24);
    const patterns: ((k: number) => number)[] = [
      (k) => (k % 2 ? 9 : -9), (k) => ((k >> 1) % 2 ? 9 : -9), (k) => ((k >> 2) % 2 ? 9 : -9), (k) => ((k >> 3) % 2 ? -9 : 9), () => 9, () => -9,
    ];
    for (const [i, pattern] of patterns.entries()) {
      const weight = (k: number, n: number): number => [-8, (k + 3) % 2 ? 7 : -8, -8 + ((k * 5) % 16), pattern(k) > 0 ? 7 : -8][n] / 8;
      // 3 rows, and 13: from some number on a panel is unpacked.
      await assertEverywhere(sums(128, pattern, weight), [[1, 2, 3], someIds(13, 5, i)], `pattern ${i}`, ["q4", "q8"]);
    }
    const X = quantize(new Float32Array(32).fill(-9), 127).integers;
    assert.deepEqual([...X], new Array(32).fill(-127));
  });
});

describe("module and oracle: negative controls of integers", () => {
  const folder = "base";
  const ids = async (): Promise<number[]> => (await reference(folder)).cases[1].input_ids;

  const weightControls: [string, "q8" | "q4", Partial<MatrixOperations>][] = [
    ["activations of 11 bits", "q8", { quantize: (x) => quantize(x, 1023) }],
    ["activations of one step less", "q8", { quantize: (x, most) => quantize(x, most - 1) }],
    ["activations of one step less", "q4", { quantize: (x, most) => quantize(x, most - 1) }],
    ["activations of 12 bits", "q4", { quantize: (x) => quantize(x, 1927) }],
    ["one scale of the activations for the whole row", "q4", { quantizeRow: (x, most) => {
      const { integers, scale } = quantize(x, most);
      return Array.from({ length: Math.ceil(x.length / GROUP) }, (_, g) => ({ integers: integers.subarray(g * GROUP, (g + 1) * GROUP), scale }));
    } }],
    ["the sum times the output's scale first", "q4", { scaledGroup: (sum, s, r) => multiply(multiply(sum, s), r) }],
    ["the sum times the row's scale first", "q4", { scaledGroup: (sum, s, r) => multiply(multiply(sum, r), s) }],
    ["the row's scale times the output's first", "q8", { scaled: (y, s, r) => multiply(y, multiply(s, r)) }],
    ["the row's scale before the output's", "q8", { scaled: (y, s, r) => multiply(multiply(y, r), s) }],
    ["int4 scales that are not searched", "q4", { searchScale: (w) => half(divide(w.reduce((e, x) => (Math.abs(x) > Math.abs(e) ? x : e), 0), -8)) }],
  ];
  for (const [what, weights, changed] of weightControls) {
    it(`the module does not compute ${what} (${weights})`, async () => {
      const files = await checkpointFiles(folder);
      const checkpoint = await readFiles(files);
      const list = await ids();
      await withModel(files, { weights, cache: "f32" }, (model) => {
        const { logits } = model.trace(list);
        differentBits(logits, forward(withIntegers(checkpoint, weights, changed), list).logits);
        sameBits(logits, forward(withIntegers(checkpoint, weights), list).logits);
      });
    });
  }

  const truncated = (x: number): number => (Math.abs(half(x)) > Math.abs(x) ? half(x * (1 - 2 ** -11)) : half(x));
  const cacheControls: [string, "f16" | "q8", Partial<Operations>][] = [
    ["halves that are cut off", "f16", { half: truncated }],
    ["queries and exponentials of one step less", "q8", { quantize: (x, most) => quantize(x, most - 1) }],
  ];
  for (const [what, cache, changed] of cacheControls) {
    it(`the module does not compute ${what} (${cache} cache)`, async () => {
      const files = await checkpointFiles(folder);
      const checkpoint = await readFiles(files);
      const list = await ids();
      await withModel(files, { weights: "f32", cache }, (model) => {
        const { logits } = model.trace(list);
        differentBits(logits, forward(checkpoint, list, changed, cache).logits);
        sameBits(logits, forward(checkpoint, list, {}, cache).logits);
      });
    });
  }

  it("the nine combinations are nine different results", async () => {
    const files = await checkpointFiles(folder);
    const list = await ids();
    const results: Float32Array[] = [];
    for (const weights of WEIGHT_TYPES) {
      for (const cache of CACHE_TYPES) await withModel(files, { weights, cache }, (model) => void results.push(model.trace(list).logits));
    }
    results.forEach((a, i) => results.slice(0, i).forEach((b) => differentBits(a, b)));
  });
});
