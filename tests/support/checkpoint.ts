/** Small checkpoints made on the spot, and a sink that keeps what a reader gives it. */
import type { ModelBytes } from "../../bindings/files/files.ts";
import type { TensorPlace, TensorSink } from "../../bindings/weights/types.ts";

export interface Entry {
  name: string;
  dtype?: string;
  shape: number[];
  /** Default: bytes that differ from tensor to tensor and are finite numbers in every type. */
  data?: Uint8Array;
}

const WIDTH: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2, BOOL: 1, U8: 1, I64: 8, I32: 4 };

export function bytesOf({ name, dtype = "F32", shape, data }: Entry): Uint8Array {
  if (data !== undefined) return data;
  const bytes = new Uint8Array(shape.reduce((a, b) => a * b, WIDTH[dtype]));
  let state = [...name].reduce((hash, character) => (hash * 31 + character.charCodeAt(0)) >>> 0, 7);
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = (state >>> 24) & 0x3f; // no exponent is all ones
  }
  return bytes;
}

/** The header as an object, to be damaged before `joinFile`. */
export function headerOf(entries: readonly Entry[]): Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> {
  let at = 0;
  return Object.fromEntries(entries.map((entry) => {
    const begin = at;
    at += bytesOf(entry).length;
    return [entry.name, { dtype: entry.dtype ?? "F32", shape: entry.shape, data_offsets: [begin, at] as [number, number] }];
  }));
}

export function safetensors(entries: readonly Entry[], extra: object = {}): Uint8Array<ArrayBuffer> {
  return joinFile(JSON.stringify({ ...extra, ...headerOf(entries) }), entries.map(bytesOf));
}

/** @param length what the first eight bytes say, if it is to be wrong */
export function joinFile(header: string | Uint8Array, data: readonly Uint8Array[], length?: bigint): Uint8Array<ArrayBuffer> {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + text.length + data.reduce((sum, part) => sum + part.length, 0));
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const part of data) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

export const TINY = { model_type: "gpt2", n_layer: 2, n_embd: 6, n_head: 2, n_inner: 10, vocab_size: 11, n_positions: 5, bos_token_id: 10, eos_token_id: 10 };

/** The tensors of GPT-2 by transformers' names, in its order. */
export function tinyEntries(prefix = "transformer.", { dtype = "F32", config = TINY, head = false } = {}): Entry[] {
  const { n_embd: c, n_inner: f, vocab_size: v, n_positions: p, n_layer: layers } = config;
  const entries: Entry[] = [{ name: "wte.weight", shape: [v, c] }, { name: "wpe.weight", shape: [p, c] }];
  for (let l = 0; l < layers; l++) {
    const shapes: Record<string, number[]> = {
      "ln_1.weight": [c], "ln_1.bias": [c], "attn.c_attn.weight": [c, 3 * c], "attn.c_attn.bias": [3 * c], "attn.c_proj.weight": [c, c],
      "attn.c_proj.bias": [c], "ln_2.weight": [c], "ln_2.bias": [c], "mlp.c_fc.weight": [c, f], "mlp.c_fc.bias": [f],
      "mlp.c_proj.weight": [f, c], "mlp.c_proj.bias": [c],
    };
    for (const [name, shape] of Object.entries(shapes)) entries.push({ name: `h.${l}.${name}`, shape });
  }
  entries.push({ name: "ln_f.weight", shape: [c] }, { name: "ln_f.bias", shape: [c] });
  const named = entries.map((entry) => ({ ...entry, dtype, name: prefix + entry.name }));
  if (head) named.push({ name: "lm_head.weight", shape: [v, c], dtype });
  return named;
}

export function tinyModel(entries: readonly Entry[] = tinyEntries(), config: object = TINY): ModelBytes {
  return { "config.json": new TextEncoder().encode(JSON.stringify(config)), "model.safetensors": safetensors(entries) };
}

/** A stream of the bytes in pieces of the given sizes, the last of which repeats. */
export function pieces(bytes: Uint8Array, ...sizes: number[]): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const size = sizes[Math.min(turn++, sizes.length - 1)];
      controller.enqueue(bytes.slice(at, at += size));
    },
  }, { highWaterMark: 0 });
}

/** What came, by tensor: `name@layer/tensor` → type and bytes. Throws if elements are cut, repeated or left out. */
export class RecordingSink implements TensorSink {
  readonly tensors = new Map<string, { dtype: number; bytes: number[] }>();
  writes = 0;

  write({ name, tensor, layer }: TensorPlace, dtype: number, element: number, bytes: Uint8Array): void {
    this.writes++;
    const width = [4, 2, 2, 8][dtype];
    const key = `${name}@${layer}/${tensor}`;
    const entry = this.tensors.get(key) ?? { dtype, bytes: [] };
    this.tensors.set(key, entry);
    if (bytes.length === 0 || bytes.length % width !== 0) throw new Error(`${key}: ${bytes.length} bytes are not whole elements`);
    if (element * width !== entry.bytes.length || entry.dtype !== dtype) throw new Error(`${key}: element ${element} after ${entry.bytes.length} bytes`);
    for (const byte of bytes) entry.bytes.push(byte);
  }
}
