/**
 * llama.cpp's native library (node-llama-cpp's prebuilt binary, processor only, one thread) beside kvasm:
 *   node bench/run.mjs bench/peers/llama.cpp.ts [--weights q8|q4] [--flash on|off] [--peer-cache f32|f16]
 * Weights are Q8_0 and Q4_0 there.
 * Not WebAssembly: it uses what the processor has (AVX2, AVX-512), and shows what the same machine does without a sandbox.
 */
import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { installed, runBeside, type Asked, type Peer } from "./beside.ts";
import { writeGguf } from "./gguf.ts";

/** The addon behind node-llama-cpp, which takes batches of ids; nothing of it is typed or promised. */
interface Context {
  init(): Promise<boolean>;
  initBatch(size: number): void;
  addToBatch(sequence: number, position: number, ids: Uint32Array, wanted: Uint32Array): number[];
  decodeBatch(): Promise<void>;
  sampleToken(index: number, sampler: unknown): Promise<number>;
  sampleToken(index: number, sampler: unknown, probabilities: boolean, confidence: boolean, logits: boolean): Promise<[unknown, unknown, unknown, Float64Array]>;
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): void;
  dispose(): Promise<void>;
}

const BATCH = 512;
const FORMATS = { f32: "F32", q8: "Q8_0", q4: "Q4_0" } as const;
/** ggml_type. */
const CACHE_TYPES: Readonly<Record<string, number>> = { f32: 0, f16: 1, q8: 8 };

async function open({ shape, seed, weights }: Asked, flags: Record<string, string | undefined>): Promise<Peer> {
  // What is fastest for each type of weights: with f32 also the nearest to kvasm's arithmetic, else llama.cpp's own defaults.
  const { flash = weights === "f32" ? "off" : "on", "peer-cache": cache = weights === "f32" ? "f32" : "f16" } = flags;
  const cacheType = CACHE_TYPES[cache];
  if (!["on", "off"].includes(flash) || cacheType === undefined) throw new Error(`--flash is on or off, --peer-cache one of ${Object.keys(CACHE_TYPES).join(", ")}.`);
  const { module, version } = await installed("llama.cpp", "node-llama-cpp");
  const llama = await module.getLlama({ build: "never", gpu: false, progressLogs: false });
  const addon = llama._bindings;

  const folder = fileURLToPath(new URL("../../build/peers/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = `${folder}random.${process.pid}.gguf`;
  writeGguf(file, shape, seed, weights);
  const model = new addon.AddonModel(file, { addonExports: addon, gpuLayers: 0, useMmap: false, useMlock: false });
  const read = await model.init();
  rmSync(file);
  if (!read) throw new Error("llama.cpp cannot read the GGUF file.");
  const context: Context = new addon.AddonContext(model, {
    contextSize: shape.n_positions, batchSize: BATCH, sequences: 1, flashAttention: flash === "on", threads: 1,
    kvCacheKeyType: cacheType, kvCacheValueType: cacheType, performanceTracking: false,
  });
  if (!await context.init()) throw new Error("llama.cpp cannot make a context.");
  const sampler = new addon.AddonSampler(model);
  sampler.applyConfig({ temperature: 0 });

  const append = async (ids: readonly number[], from: number): Promise<number> => {
    let index = 0;
    for (let at = 0; at < ids.length; at += BATCH) {
      const part = Uint32Array.from(ids.slice(at, at + BATCH));
      const last = at + part.length === ids.length;
      context.initBatch(part.length);
      const wanted = context.addToBatch(0, from + at, part, Uint32Array.from(last ? [part.length - 1] : []));
      await context.decodeBatch();
      if (last) index = wanted[0]!;
    }
    return index;
  };
  let length = 0;
  return {
    name: "llama.cpp", version: `${llama.llamaCppRelease.release} (node-llama-cpp ${version})`, settings: `native, weights in ${FORMATS[weights]}, flash attention ${flash}, cache in ${cache}`,
    async prefill(ids) {
      context.removeTokenCellsFromSequence(0, 0, -1);
      const index = await append(ids, 0);
      length = ids.length;
      if (ids.length > 64) return null; // reading the logits out is no part of a prefill
      const [, , , pairs] = await context.sampleToken(index, sampler, false, false, true);
      const logits = new Float32Array(shape.vocab_size);
      for (let i = 0; i < pairs.length; i += 2) logits[pairs[i]!] = pairs[i + 1]!;
      return logits;
    },
    async decode(id, count) {
      context.removeTokenCellsFromSequence(0, length, -1);
      for (let step = 0; step < count; step++) id = await context.sampleToken(await append([id], length + step), sampler);
    },
    async close() { await context.dispose(); },
  };
}

await runBeside(open, ["flash", "peer-cache"]);
process.exit();
