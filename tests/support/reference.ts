/** Truth in float64 from tests/fixtures, and how far from it float32 may be. tests/fixtures/README.md says where both come from. */
import { readSafetensors } from "../oracle/checkpoint.ts";
import { assert } from "./assert.ts";
import { fixture, fixtureText } from "./files.ts";

export type Kind = "logits" | "hidden" | "pre_ln_f" | "attention";

export interface ReferenceCase {
  name: string;
  input_ids: number[];
  f32_max_abs_diff: Record<Kind, number>;
  f32_ascending_max_abs_diff: { logits: number };
  max_abs: Record<"logits" | "hidden" | "pre_ln_f", number>;
  argmax: number[];
  nll: number;
  greedy?: { tokens: number[]; smallest_margin: number };
}

export interface Reference {
  cases: ReferenceCase[];
  tensors: Record<string, { shape: number[]; values: Float64Array }>;
  /** Field of config.json → how far an engine is off that ignores it. */
  flag_ignored_wrong_by?: Record<string, number>;
}

/** The folders with a checkpoint. */
export const FOLDERS = [
  "base", "base-f16", "base-bf16", "base-f64", "base-sharded", "base-bare", "batch", "odd", "head-size-10",
  "activation-gelu_new", "activation-gelu", "activation-relu", "activation-silu", "activation-swish", "activation-tanh",
  "activation-gelu_pytorch_tanh", "activation-gelu_fast", "activation-quick_gelu",
  "no-scale", "inverse-layer", "reorder-upcast", "epsilon", "epsilon-large", "untied", "sparse-config", "prefix",
] as const;

export type Folder = (typeof FOLDERS)[number];

const SHARDS = [1, 2, 3].map((n) => `model-0000${n}-of-00003.safetensors`);

export const weightFiles = (folder: Folder): string[] => (folder === "base-sharded" ? SHARDS : ["model.safetensors"]);

/** A checkpoint's files as bytes, a source that `load` takes. */
export async function checkpointFiles(folder: Folder): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const names = ["config.json", ...weightFiles(folder), ...(folder === "base-sharded" ? ["model.safetensors.index.json"] : [])];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await fixture(`${folder}/${name}`)] as const)));
}

export async function reference(folder: Folder): Promise<Reference> {
  const { cases, flag_ignored_wrong_by } = JSON.parse(await fixtureText(`${folder}/reference.json`));
  return { cases, flag_ignored_wrong_by, tensors: readSafetensors(await fixture(`${folder}/reference.safetensors`)) };
}

/** 4 × the larger of the two measured float32 errors; PyTorch's alone where the plain order was not measured. */
export function bar(of: ReferenceCase, kind: Kind): number {
  return 4 * Math.max(of.f32_max_abs_diff[kind], kind === "logits" ? of.f32_ascending_max_abs_diff.logits : 0);
}

export function maxDifference(actual: ArrayLike<number>, truth: ArrayLike<number>): number {
  assert.equal(actual.length, truth.length, "lengths");
  let largest = 0;
  for (let i = 0; i < truth.length; i++) {
    const difference = Math.abs(actual[i] - truth[i]);
    if (!(difference <= largest)) largest = difference; // NaN gets through, and fails
  }
  return largest;
}

export function assertWithin(actual: ArrayLike<number>, truth: ArrayLike<number>, limit: number, what: string): void {
  assert.ok(truth.length > 0, `${what}: nothing to compare`);
  const difference = maxDifference(actual, truth);
  assert.ok(difference <= limit, `${what}: off by ${difference}, more than ${limit}`);
}

/** Rows of a [T][V] array. */
export function rows<T extends Float32Array | Float64Array>(values: T, width: number): T[] {
  return Array.from({ length: values.length / width }, (_, t) => values.subarray(t * width, (t + 1) * width) as T);
}

export function argmaxOf(values: ArrayLike<number>): number {
  let best = 0;
  for (let v = 1; v < values.length; v++) if (values[v] > values[best]) best = v;
  return best;
}

/** Σ −log p of each id given those before it, from logits [T][V], in float64. */
export function negativeLogLikelihood(logits: Float32Array | Float64Array, ids: readonly number[]): number {
  const width = logits.length / ids.length;
  let sum = 0;
  for (let t = 1; t < ids.length; t++) {
    const row = logits.subarray((t - 1) * width, t * width);
    const largest = row[argmaxOf(row)];
    let total = 0;
    for (const logit of row) total += Math.exp(logit - largest);
    sum += Math.log(total) + largest - row[ids[t]];
  }
  return sum;
}

/** log p moves by at most twice what the logits move (log Σ exp by at most once). */
export const likelihoodBar = (of: ReferenceCase): number => 2 * bar(of, "logits") * Math.max(1, of.input_ids.length - 1);

/** In the shapes of `trace`; what cannot be seen is left out. */
export interface Computed {
  logits: Float32Array;
  hiddenStates?: readonly Float32Array[];
  attentions?: readonly Float32Array[];
  /** The last block's output. */
  beforeFinalNorm?: Float32Array;
  /** Of each layer, [T][n_embd]. */
  keys?: readonly Float32Array[];
  values?: readonly Float32Array[];
}

/** [T][n_embd] from [n_head][T][head size]. */
function byToken({ shape: [heads, length, size], values }: { shape: number[]; values: Float64Array }): Float64Array {
  const result = new Float64Array(values.length);
  values.forEach((value, i) => {
    const head = Math.floor(i / (length * size));
    const token = Math.floor(i / size) % length;
    result[(token * heads + head) * size + (i % size)] = value;
  });
  return result;
}

/** What was computed for a case against everything that the folder has about it. */
export function assertCase(folder: string, { tensors }: Reference, of: ReferenceCase, computed: Computed): void {
  const where = `${folder} ${of.name}`;
  const vocabulary = computed.logits.length / of.input_ids.length;
  const truth = tensors[`${of.name}.logits`];
  if (truth) assertWithin(computed.logits.subarray(computed.logits.length - truth.values.length), truth.values, bar(of, "logits"), `${where} logits`);
  computed.hiddenStates?.forEach((state, i) => {
    const expected = tensors[`${of.name}.hidden.${i}`];
    if (expected) assertWithin(state, expected.values, bar(of, "hidden"), `${where} hidden ${i}`);
  });
  computed.attentions?.forEach((probabilities, layer) => {
    const expected = tensors[`${of.name}.attention.${layer}`];
    if (expected) assertWithin(probabilities, expected.values, bar(of, "attention"), `${where} attention ${layer}`);
  });
  for (const [name, layers] of [["key", computed.keys], ["value", computed.values]] as const) {
    layers?.forEach((rows, layer) => {
      const expected = tensors[`${of.name}.${name}.${layer}`];
      // One product behind a layer norm, and as large: what logits are, too. Their own error was not measured.
      if (expected) assertWithin(rows, byToken(expected), bar(of, "logits"), `${where} ${name} ${layer}`);
    });
  }
  const before = tensors[`${of.name}.pre_ln_f`];
  if (before && computed.beforeFinalNorm) assertWithin(computed.beforeFinalNorm, before.values, bar(of, "pre_ln_f"), `${where} pre_ln_f`);
  assert.deepEqual(rows(computed.logits, vocabulary).map(argmaxOf), of.argmax, `${where} argmax`);
  const nll = negativeLogLikelihood(computed.logits, of.input_ids);
  assertWithin([nll], [of.nll], likelihoodBar(of), `${where} nll`);
}
