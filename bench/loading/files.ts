import { createWriteStream } from "node:fs";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { randomConfig, randomSafetensors } from "../../bindings/bench/random-model.ts";
import type { Shape } from "../../bindings/bench/shapes.ts";
import type { Weights } from "../../bindings/index.ts";
import { writeGguf } from "../peers/gguf.ts";
import { cacheNames, cacheShape, onnxModel, type AttentionForm } from "../peers/onnx.ts";

export interface ModelFolder {
  readonly folder: string;
  /** Bytes of each engine's file of weights. */
  readonly bytes: { readonly kvasm: number; readonly onnx: number; readonly gguf: number };
  /** What onnxruntime's graph wants beside the ids. */
  readonly graph: { readonly past: readonly string[]; readonly size: readonly number[] };
}

const SEED = 1;

/** The same random weights as kvasm's file, as onnxruntime's and as llama.cpp's, in a folder that is made anew. */
export async function writeModels(folder: string, shape: Shape, weights: Weights, withGguf: boolean): Promise<ModelFolder> {
  await rm(folder, { recursive: true, force: true });
  const original = join(folder, "f32");
  await mkdir(original, { recursive: true });
  await writeFile(join(original, "config.json"), JSON.stringify(randomConfig(shape)));
  await pipeline(randomSafetensors(shape, SEED), createWriteStream(join(original, "model.safetensors")));
  const kvasm = join(folder, weights);
  if (weights !== "f32") {
    const { convert } = await import(new URL("../../dist/convert.js", import.meta.url).href) as typeof import("../../bindings/convert/index.ts");
    await convert(original, kvasm, { weights });
    await rm(original, { recursive: true });
  }
  const form: AttentionForm = weights === "q4" ? "GroupQueryAttention" : "Attention";
  const onnx = join(folder, "model.onnx");
  await writeFile(onnx, onnxModel(shape, SEED, { attention: form, weights }));
  const gguf = join(folder, "model.gguf");
  if (withGguf) writeGguf(gguf, shape, SEED, weights, "words");
  return {
    folder: kvasm,
    bytes: { kvasm: (await stat(join(kvasm, "model.safetensors"))).size, onnx: (await stat(onnx)).size, gguf: withGguf ? (await stat(gguf)).size : 0 },
    graph: { past: cacheNames("past", shape, form), size: cacheShape(shape, form, 1, 0) },
  };
}
