import type { Shape } from "./shapes.ts";

/** A checkpoint in memory, as `load` takes it; the weights are made while they are read and never lie anywhere as a whole. */
export type RandomModel = {
  readonly "config.json": Uint8Array;
  readonly "model.safetensors": ReadableStream<Uint8Array>;
};

export interface RandomTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Uniform in centre ± spread. */
  readonly centre: number;
  readonly spread: number;
}

/** Elements of one chunk of the stream. */
const CHUNK = 1 << 18;

/** The tensors of a checkpoint in Hugging Face's layout and order. */
export function randomTensors({ n_layer, n_embd: C, n_inner: F, n_positions, vocab_size }: Shape): RandomTensor[] {
  const tensors: RandomTensor[] = [];
  const matrix = (name: string, deviation: number, ...shape: number[]): void => {
    tensors.push({ name, shape, centre: 0, spread: deviation * Math.sqrt(3) });
  };
  const gain = (name: string): void => { tensors.push({ name, shape: [C], centre: 1, spread: 0.2 }); };
  matrix("wte.weight", 0.08, vocab_size, C);
  matrix("wpe.weight", 0.02, n_positions, C);
  for (let layer = 0; layer < n_layer; layer++) {
    const h = `h.${layer}.`;
    gain(`${h}ln_1.weight`);
    matrix(`${h}ln_1.bias`, 0.02, C);
    matrix(`${h}attn.c_attn.weight`, 0.05, C, 3 * C);
    matrix(`${h}attn.c_attn.bias`, 0.02, 3 * C);
    matrix(`${h}attn.c_proj.weight`, 0.02, C, C);
    matrix(`${h}attn.c_proj.bias`, 0.02, C);
    gain(`${h}ln_2.weight`);
    matrix(`${h}ln_2.bias`, 0.02, C);
    matrix(`${h}mlp.c_fc.weight`, 0.03, C, F);
    matrix(`${h}mlp.c_fc.bias`, 0.02, F);
    matrix(`${h}mlp.c_proj.weight`, 0.02, F, C);
    matrix(`${h}mlp.c_proj.bias`, 0.02, C);
  }
  gain("ln_f.weight");
  matrix("ln_f.bias", 0.02, C);
  return tensors;
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Fills `out` with the elements of a tensor from element number `first` on. An element depends on seed, tensor and index alone (the
 * index, stirred by the finaliser of MurmurHash3), so that every engine can ask for any part in any order.
 */
export function fillRandom(out: Float32Array, seed: number, tensor: RandomTensor, first = 0): void {
  let key = seed | 0;
  for (let i = 0; i < tensor.name.length; i++) key = Math.imul(key ^ tensor.name.charCodeAt(i), 0x01000193);
  const { centre } = tensor;
  const scale = tensor.spread / 2 ** 31;
  for (let i = 0; i < out.length; i++) {
    let x = Math.imul(first + i, 0x9e3779b1) ^ key;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    out[i] = centre + (x ^ (x >>> 16)) * scale;
  }
}

export function randomConfig(shape: Shape): Record<string, unknown> {
  return {
    model_type: "gpt2", architectures: ["GPT2LMHeadModel"], activation_function: "gelu_new", layer_norm_epsilon: 1e-5,
    bos_token_id: shape.vocab_size - 1, eos_token_id: shape.vocab_size - 1, tie_word_embeddings: true, ...shape,
  };
}

/** Header and size of the safetensors file that holds the tensors in their order. */
function safetensorsHeader(tensors: readonly RandomTensor[]): Uint8Array {
  const table: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const { name, shape } of tensors) {
    const end = offset + 4 * elements(shape);
    table[name] = { dtype: "F32", shape, data_offsets: [offset, end] };
    offset = end;
  }
  let json = JSON.stringify(table);
  json = json.padEnd(Math.ceil(json.length / 8) * 8, " ");
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(new TextEncoder().encode(json), 8);
  return header;
}

/** A model of random weights; the same seed and shape give the same bits everywhere. */
export function randomModel(shape: Shape, seed = 1): RandomModel {
  return {
    "config.json": new TextEncoder().encode(JSON.stringify(randomConfig(shape))),
    "model.safetensors": randomSafetensors(shape, seed),
  };
}

export function randomSafetensors(shape: Shape, seed: number): ReadableStream<Uint8Array> {
  const tensors = randomTensors(shape);
  let index = -1;
  let element = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (index < 0) {
        controller.enqueue(safetensorsHeader(tensors));
        index = 0;
        return;
      }
      const tensor = tensors[index]!;
      const count = Math.min(CHUNK, elements(tensor.shape) - element);
      const chunk = new Float32Array(count);
      fillRandom(chunk, seed, tensor, element);
      controller.enqueue(new Uint8Array(chunk.buffer));
      element += count;
      if (element === elements(tensor.shape)) {
        element = 0;
        if (++index === tensors.length) controller.close();
      }
    },
  }, { highWaterMark: 0 });
}

/** `count` token ids below `vocabulary`, the same everywhere. */
export function randomIds(count: number, vocabulary: number, seed = 7): number[] {
  const ids: number[] = [];
  for (let i = 0, state = seed; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    ids.push(Math.floor(state / 2 ** 32 * vocabulary));
  }
  return ids;
}
