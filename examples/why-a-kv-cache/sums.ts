/**
 * The same numbers summed in another order, on purpose, by the kernels of the module. They never do so by themselves; here a
 * checkpoint is made whose head holds every row of weights several times: once whole, and in parts with zeros elsewhere. A
 * product with +0 leaves a running sum as it is, so each part's logit is the sum over that part alone.
 */
import { load } from "kvasm";

const TERMS = 768; // products in a sum: GPT-2's width
const OUTPUTS = 128;

/** [start, end) of what each copy of a row keeps: the whole, two halves, four quarters. */
const PARTS = [[0, 1], [0, 1 / 2], [1 / 2, 1], [0, 1 / 4], [1 / 4, 1 / 2], [1 / 2, 3 / 4], [3 / 4, 1]].map(([a, b]) => [a * TERMS, b * TERMS]);

export interface SumsReport {
  terms: number;
  outputs: number;
  /** Outputs whose whole sum and sum of halves are different numbers. */
  differing: number;
  largest: number;
  /** Largest error against the sum in binary64. */
  errorWhole: number;
  errorHalves: number;
  example: { output: number; whole: number; halves: number; exact: number };
  /** How many results an output's four quarters give when they are added in every order: the most of any output. */
  orders: number;
  resultsOfOrders: number;
}

/** Sums x · W[output], over 768 terms, whole and in parts, by the module's matmul. */
export async function differenceOfSums(): Promise<SumsReport> {
  const next = uniform(2026);
  const x = Float32Array.from({ length: TERMS }, next);
  const weights = Float32Array.from({ length: OUTPUTS * TERMS }, next);

  const rows = PARTS.length * OUTPUTS;
  const head = new Float32Array(rows * TERMS);
  PARTS.forEach(([start, end], part) => {
    for (let output = 0; output < OUTPUTS; output++) {
      head.set(weights.subarray(output * TERMS + start, output * TERMS + end), (part * OUTPUTS + output) * TERMS + start);
    }
  });
  const logits = await product(x, head, rows);

  const report: SumsReport = {
    terms: TERMS, outputs: OUTPUTS, differing: 0, largest: 0, errorWhole: 0, errorHalves: 0,
    example: { output: -1, whole: 0, halves: 0, exact: 0 }, orders: 0, resultsOfOrders: 0,
  };
  for (let output = 0; output < OUTPUTS; output++) {
    const part = (index: number) => logits[index * OUTPUTS + output];
    const whole = part(0);
    const halves = Math.fround(part(1) + part(2));
    let exact = 0;
    for (let k = 0; k < TERMS; k++) exact += x[k] * weights[output * TERMS + k];
    report.errorWhole = Math.max(report.errorWhole, Math.abs(whole - exact));
    report.errorHalves = Math.max(report.errorHalves, Math.abs(halves - exact));
    const difference = Math.abs(whole - halves);
    if (difference > 0) report.differing++;
    if (difference > report.largest) {
      report.largest = difference;
      report.example = { output, whole, halves, exact };
    }
    const { orders, results } = ordersOfAddition([3, 4, 5, 6].map(part));
    report.orders = orders;
    report.resultsOfOrders = Math.max(report.resultsOfOrders, results);
  }
  if (report.differing === 0) throw new Error("No sum depended on its order: then this comparison cannot see a difference.");
  return report;
}

/** head · x, head being f32[rows][TERMS]: the logits of a model whose final norm is the constant x. */
async function product(x: Float32Array, head: Float32Array, rows: number): Promise<Float32Array> {
  const zeros = (...shape: number[]) => ({ shape, values: new Float32Array(shape.reduce((a, b) => a * b)) });
  const block = {
    "ln_1.weight": zeros(TERMS), "ln_1.bias": zeros(TERMS), "ln_2.weight": zeros(TERMS), "ln_2.bias": zeros(TERMS),
    "attn.c_attn.weight": zeros(TERMS, 3 * TERMS), "attn.c_attn.bias": zeros(3 * TERMS),
    "attn.c_proj.weight": zeros(TERMS, TERMS), "attn.c_proj.bias": zeros(TERMS),
    "mlp.c_fc.weight": zeros(TERMS, 1), "mlp.c_fc.bias": zeros(1), "mlp.c_proj.weight": zeros(1, TERMS), "mlp.c_proj.bias": zeros(TERMS),
  };
  const tensors: Tensors = {
    "transformer.wte.weight": zeros(rows, TERMS), "transformer.wpe.weight": zeros(1, TERMS),
    // layer norm: d · r · gain + bias with gain 0
    "transformer.ln_f.weight": zeros(TERMS), "transformer.ln_f.bias": { shape: [TERMS], values: x },
    "lm_head.weight": { shape: [rows, TERMS], values: head },
  };
  for (const [name, tensor] of Object.entries(block)) tensors[`transformer.h.0.${name}`] = tensor;
  const config = {
    model_type: "gpt2", n_layer: 1, n_head: 1, n_embd: TERMS, n_inner: 1, n_positions: 1, vocab_size: rows, tie_word_embeddings: false,
    bos_token_id: 0, eos_token_id: 0,
  };
  const model = await load({ "config.json": new TextEncoder().encode(JSON.stringify(config)), "model.safetensors": safetensors(tensors) });
  const sequence = model.sequence();
  const logits = sequence.prefill([0]);
  model.dispose();
  return logits;
}

type Tensors = Record<string, { shape: number[]; values: Float32Array }>;

/** https://github.com/huggingface/safetensors#format: length of the header (u64), header (JSON), tensors. */
function safetensors(tensors: Tensors): Uint8Array {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += values.byteLength)] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const { values } of Object.values(tensors)) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return file;
}

/** Numbers in [−1, 1) from a seed (xorshift32): the same on every machine, which Math.random's are not. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state | 0) / 2 ** 31;
  };
}

/** What `y += 1` in one thread and `y += 2` in another can leave in y = 0, over all ways to interleave load, add and store. */
export function interleavings(): { count: number; results: number[] } {
  const results = new Set<number>();
  let count = 0;
  const run = (y: number, steps: readonly number[], registers: readonly number[]): void => {
    if (steps.every((step) => step === 3)) {
      results.add(y);
      count++;
      return;
    }
    steps.forEach((step, thread) => {
      if (step === 3) return;
      const after = steps.map((s, t) => (t === thread ? s + 1 : s));
      const value = step === 0 ? y : registers[thread] + (step === 1 ? thread + 1 : 0);
      run(step === 2 ? value : y, after, registers.map((r, t) => (t === thread ? value : r)));
    });
  };
  run(0, [0, 0], [0, 0]);
  return { count, results: [...results].sort((a, b) => a - b) };
}

/** How many different binary32 results the numbers give when they are added one after another, in every order. */
export function ordersOfAddition(numbers: readonly number[]): { orders: number; results: number } {
  const results = new Set<number>();
  let orders = 0;
  const add = (sum: number, rest: readonly number[]): void => {
    if (rest.length === 0) {
      results.add(sum);
      orders++;
    }
    rest.forEach((value, index) => add(Math.fround(sum + value), rest.filter((_, other) => other !== index)));
  };
  add(0, numbers);
  return { orders, results: results.size };
}
