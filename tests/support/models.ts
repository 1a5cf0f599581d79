/** Fixture checkpoints, loaded or changed, for suites of the public API. */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { withConfig, withTensors } from "./reference-edit.ts";
import { checkpointFiles } from "./reference.ts";
import type { Folder } from "./reference.ts";

export type Files = Record<string, Uint8Array<ArrayBuffer>>;

/** Runs `use` with a fixture's model and disposes it. */
export async function withModel<T>(source: Folder | Files, use: (model: Model) => T | Promise<T>, options?: LoadOptions): Promise<T> {
  const model = await load(typeof source === "string" ? await checkpointFiles(source) : source, options);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

/** A checkpoint with more positions: the rows of wpe again and again, each a little different from the one it repeats. */
export function withPositions(files: Files, positions: number): Files {
  const config = JSON.parse(new TextDecoder().decode(files["config.json"]));
  return withTensors(withConfig(files, { n_positions: positions, n_ctx: positions }), (tensors) => {
    const name = [...tensors.keys()].find((key) => key.endsWith("wpe.weight"))!;
    const old = new Float32Array(tensors.get(name)!.bytes.buffer);
    const values = Float32Array.from({ length: positions * config.n_embd }, (_, i) => old[i % old.length] * (1 + Math.floor(i / old.length) / 64));
    tensors.set(name, { dtype: "F32", shape: [positions, config.n_embd], bytes: new Uint8Array(values.buffer) });
  });
}

/** With one position whose embedding overflows: every token there has logits that are not finite. */
export function withBrokenPosition(files: Files, position: number): Files {
  return withTensors(files, (tensors) => {
    const { bytes, shape } = tensors.get([...tensors.keys()].find((key) => key.endsWith("wpe.weight"))!)!;
    new Float32Array(bytes.buffer).fill(3e38, position * shape[1], (position + 1) * shape[1]);
  });
}

/** Deterministic ids, all different from one another's neighbours: i² steps through the vocabulary. */
export function someIds(count: number, vocabSize: number, seed = 1): number[] {
  return Array.from({ length: count }, (_, i) => (seed * 7919 + i * i * 31 + i * 17) % vocabSize);
}

/** The first bytes of a safetensors file of a GPT-2 of any size: the length and the header; and the bytes that follow it. */
export function headerOfShape(width: number, layers: number, vocabulary: number, positions: number, dtype: "F32" | "F16" = "F32"): { bytes: Uint8Array<ArrayBuffer>; dataBytes: number } {
  const shapes: [name: string, ...shape: number[]][] = [
    ["wte.weight", vocabulary, width], ["wpe.weight", positions, width], ["ln_f.weight", width], ["ln_f.bias", width],
    ...Array.from({ length: layers }, (_, l): [string, ...number[]][] => [
      [`h.${l}.ln_1.weight`, width], [`h.${l}.ln_1.bias`, width], [`h.${l}.ln_2.weight`, width], [`h.${l}.ln_2.bias`, width],
      [`h.${l}.attn.c_attn.weight`, width, 3 * width], [`h.${l}.attn.c_attn.bias`, 3 * width],
      [`h.${l}.attn.c_proj.weight`, width, width], [`h.${l}.attn.c_proj.bias`, width],
      [`h.${l}.mlp.c_fc.weight`, width, 4 * width], [`h.${l}.mlp.c_fc.bias`, 4 * width],
      [`h.${l}.mlp.c_proj.weight`, 4 * width, width], [`h.${l}.mlp.c_proj.bias`, width],
    ]).flat(),
  ];
  let at = 0;
  const header = JSON.stringify(Object.fromEntries(shapes.map(([name, ...shape]) => {
    return [name, { dtype, shape, data_offsets: [at, (at += (dtype === "F32" ? 4 : 2) * shape.reduce((a, b) => a * b))] }];
  })));
  const start = new Uint8Array(8 + header.length);
  new DataView(start.buffer).setBigUint64(0, BigInt(header.length), true);
  start.set(new TextEncoder().encode(header), 8);
  return { bytes: start, dataBytes: at };
}
