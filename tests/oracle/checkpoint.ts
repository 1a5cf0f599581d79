/** Reads a checkpoint for the oracle: as little as the fixtures need, and nothing of the project's own loader. */
import type { Matrix } from "./matrices.ts";

/** The fields that matter, with the defaults that a config.json leaves out. */
export interface Config {
  vocab_size: number;
  n_positions: number;
  n_embd: number;
  n_layer: number;
  n_head: number;
  activation_function: string;
  layer_norm_epsilon: number;
  scale_attn_weights: boolean;
  scale_attn_by_inverse_layer_idx: boolean;
  tie_word_embeddings: boolean;
}

const DEFAULTS: Config = {
  vocab_size: 50257, n_positions: 1024, n_embd: 768, n_layer: 12, n_head: 12, activation_function: "gelu_new",
  layer_norm_epsilon: 1e-5, scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, tie_word_embeddings: true,
};

export interface Checkpoint {
  config: Config;
  /** Names without `transformer.`; binary32. */
  tensors: Record<string, Float32Array>;
  /** [vocab_size][n_embd]: the embedding or the untied head. */
  head: Float32Array;
  /** The matrices as integers, by name, `wte` and `head` (one matrix if tied) among them. */
  matrices?: Readonly<Record<string, Matrix>>;
}

/** F16 to a number, exactly. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) throw new Error("not a finite number");
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The tensors of a safetensors file, each as the numbers stored in it (binary64 holds them all exactly). */
export function readSafetensors(bytes: Uint8Array): Record<string, { shape: number[]; values: Float64Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  const readers: Record<string, [number, (at: number) => number]> = {
    F64: [8, (at) => view.getFloat64(at, true)],
    F32: [4, (at) => view.getFloat32(at, true)],
    F16: [2, (at) => half(view.getUint16(at, true))],
    BF16: [2, (at) => { scratch.setUint32(0, view.getUint16(at, true) << 16); return scratch.getFloat32(0); }],
  };
  const scratch = new DataView(new ArrayBuffer(4));
  const tensors: Record<string, { shape: number[]; values: Float64Array }> = {};
  delete header.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [first, end] }] of Object.entries<any>(header)) {
    const [size, read] = readers[dtype];
    const values = new Float64Array((end - first) / size);
    for (let i = 0; i < values.length; i++) values[i] = read(8 + headerLength + first + i * size);
    tensors[name] = { shape, values };
  }
  return tensors;
}

/** `read` returns a file of the checkpoint's folder. */
export async function readCheckpoint(read: (name: string) => Promise<Uint8Array>, weightFiles = ["model.safetensors"]): Promise<Checkpoint> {
  const config: Config = { ...DEFAULTS, ...JSON.parse(new TextDecoder().decode(await read("config.json"))) };
  const tensors: Record<string, Float32Array> = {};
  for (const file of weightFiles) {
    for (const [name, { values }] of Object.entries(readSafetensors(await read(file)))) {
      tensors[name.replace(/^transformer\./, "")] = Float32Array.from(values); // rounds F64, changes nothing else
    }
  }
  return { config, tensors, head: config.tie_word_embeddings ? tensors["wte.weight"] : tensors["lm_head.weight"] };
}
