/** A real llama.cpp: node-llama-cpp's prebuilt library for the processor alone, one thread, cache in f32, no flash attention. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, run } from "../support/command.ts";

const modules = join(root, "tests/llamacpp/node_modules");
const libraries = join(modules, "@node-llama-cpp/linux-x64/bins/linux-x64");

/** llama_ftype */
export const FTYPE = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 7, Q5_0: 8, Q5_1: 9, Q4_K_S: 14, Q4_K_M: 15, Q5_K_S: 16, Q5_K_M: 17, Q6_K: 18 } as const;

let folder: Promise<string> | undefined;
let files = 0;

/** A new place for a file. */
async function place(name = "file.gguf"): Promise<string> {
  return join(await (folder ??= mkdtemp(join(tmpdir(), "kvasm-llama-"))), `${files++}-${name}`);
}

/** Removes all files. */
export async function cleanUp(): Promise<void> {
  if (folder !== undefined) await rm(await folder, { recursive: true });
  folder = undefined;
}

export async function store(bytes: Uint8Array): Promise<string> {
  const path = await place();
  await writeFile(path, bytes);
  return path;
}

async function deno(...args: string[]): Promise<void> {
  const flags = ["run", "--no-config", "--no-lock", "--allow-ffi", "--allow-read", "--allow-write"];
  const { code, stderr } = await run(process.execPath, [join(root, "node_modules/deno/bin.cjs"), ...flags, join(root, "tests/llamacpp/quantize.deno.js"), libraries, ...args]);
  if (code !== 0) throw new Error(`llama.cpp's quantisation ended with ${code}:\n${stderr.slice(-2000)}`);
}

/** llama_model_quantize: the file anew with its weights as another type. `pure`: all matrices, else llama.cpp's own mixture. */
export async function quantizeFile(path: string, ftype: keyof typeof FTYPE, pure = false): Promise<string> {
  const to = await place(`${ftype}.gguf`);
  await deno("model", path, to, String(FTYPE[ftype]), String(pure));
  return to;
}

/** quantize_row_<name>_ref: blocks of the numbers. */
export async function quantizeRows(name: string, values: Float32Array, bytes: number): Promise<Uint8Array> {
  const from = await store(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const to = await place("blocks");
  await deno("rows", from, to, name, "quantize", String(values.length));
  return Uint8Array.from((await readFile(to)).subarray(0, bytes));
}

/** dequantize_row_<name>: numbers of the blocks. */
export async function dequantizeRows(name: string, blocks: Uint8Array, count: number): Promise<Float32Array> {
  const to = await place("numbers");
  await deno("rows", await store(blocks), to, name, "dequantize", String(count));
  return new Float32Array(Uint8Array.from(await readFile(to)).buffer);
}

interface Addon {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
}
/** The addon behind node-llama-cpp, which takes batches of ids; nothing of it is typed or promised. */
interface AddonModel extends Addon {
  tokenize(text: string, specialTokens: boolean): Uint32Array;
}
interface AddonContext extends Addon {
  initBatch(size: number): void;
  addToBatch(sequence: number, position: number, ids: Uint32Array, wanted: Uint32Array): number[];
  decodeBatch(): Promise<void>;
  sampleToken(index: number, sampler: unknown, probabilities: boolean, confidence: boolean, logits: boolean): Promise<[unknown, unknown, unknown, Float64Array]>;
}

export interface Llama {
  /** Of the last id. */
  logits(ids: readonly number[]): Promise<Float32Array>;
  tokenize(text: string, specialTokens?: boolean): number[];
  close(): Promise<void>;
}

export async function openLlama(path: string, vocabSize: number): Promise<Llama> {
  const { getLlama } = await import(pathToFileURL(join(modules, "node-llama-cpp/dist/index.js")).href);
  const bindings = (await getLlama({ build: "never", gpu: false, progressLogs: false, logLevel: "error" }))._bindings;
  const model: AddonModel = new bindings.AddonModel(path, { addonExports: bindings, gpuLayers: 0, useMmap: false, useMlock: false });
  if (!await model.init()) throw new Error(`llama.cpp cannot read ${path}`);
  return {
    async logits(ids) {
      const context: AddonContext = new bindings.AddonContext(model, {
        contextSize: 64, batchSize: 64, sequences: 1, flashAttention: false, threads: 1, kvCacheKeyType: 0, kvCacheValueType: 0, performanceTracking: false,
      });
      if (!await context.init()) throw new Error("llama.cpp cannot make a context");
      const sampler = new bindings.AddonSampler(model);
      sampler.applyConfig({ temperature: 0 });
      context.initBatch(ids.length);
      const [index] = context.addToBatch(0, 0, Uint32Array.from(ids), Uint32Array.of(ids.length - 1));
      await context.decodeBatch();
      const [, , , pairs] = await context.sampleToken(index, sampler, false, false, true);
      await context.dispose();
      if (pairs.length !== 2 * vocabSize) throw new Error(`llama.cpp gave ${pairs.length / 2} logits`);
      const logits = new Float32Array(vocabSize).fill(NaN);
      for (let i = 0; i < pairs.length; i += 2) logits[pairs[i]] = pairs[i + 1];
      return logits;
    },
    tokenize: (text, specialTokens = false) => [...model.tokenize(text, specialTokens)],
    close: () => model.dispose(),
  };
}
