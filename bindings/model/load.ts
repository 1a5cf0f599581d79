import { KvasmError, checkInteger, checkOptions, shown } from "../errors.ts";
import { loadTokenizer } from "../tokenizer/tokenizer.ts";
import { CacheType, Dtype, FLAG_INVERSE_LAYER, FLAG_NO_SCALE, Region, WeightType } from "../wasm/exports.ts";
import type { KvasmExports } from "../wasm/exports.ts";
import { instantiate } from "../wasm/instantiate.ts";
import type { WasmSource } from "../wasm/instantiate.ts";
import { Memory, checkFits, unsigned } from "../wasm/memory.ts";
import { missing, readText } from "../weights/bytes.ts";
import { activationIndex, parseConfig } from "../weights/config.ts";
import type { ModelConfig } from "../weights/config.ts";
import { openWeights } from "../weights/reader.ts";
import type { Progress, TensorPlace, TensorSink } from "../weights/reader.ts";
import { resolveSource } from "../weights/source.ts";
import type { ModelBytes, ModelFiles } from "../weights/source.ts";
import { Arena } from "./arena.ts";
import { checkSignal } from "./signal.ts";
import { Lifetime } from "./lifetime.ts";
import { Model } from "./model.ts";

export interface LoadOptions {
  /** Most tokens of a sequence, 1 … n_positions. Default: n_positions. */
  contextLength?: number | undefined;
  /** Room in the cache for this many sequences of contextLength tokens. Default 4. Shorter ones, and forks, share it: there may be more. */
  maxSequences?: number | undefined;
  /** The cache's size in bytes, instead of maxSequences; rounded down to whole pages of 16 tokens. */
  cacheBytes?: number | undefined;
  /** The WebAssembly module, for hosts that cannot read kvasm.wasm beside the bundle: a compiled Module, its bytes or a Response. */
  wasm?: WasmSource | Promise<WasmSource> | undefined;
  /** Used for http(s) sources instead of the global fetch. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Ends loading by throwing `signal.reason`. */
  signal?: AbortSignal | undefined;
  /** Called while weights come in: bytes so far, bytes in all if known, the file's name. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

const LOAD_KEYS = ["contextLength", "maxSequences", "cacheBytes", "wasm", "fetch", "signal", "onProgress"] as const;

/** For tests: where the arena begins, to have it beyond 2 GiB. */
export const ARENA_BASE = Symbol.for("kvasm.arenaBase");

const DEFAULT_SEQUENCES = 4;
/** Slots are small: enough of them that forks of short prompts do not run out. */
const LEAST_SLOTS = 256;

/**
 * Loads a model: from a path (what begins with ./, ../, / or a drive letter), a file: or http(s): URL, or the bytes of its files
 * by name; without a source the small model that ships with the package. A failed load leaves nothing behind and can be tried
 * again.
 * @throws KvasmError `type`, `value`, `option` (arguments); `source`, `config`, `weights`, `tokenizer`, `non-finite` (the model's
 * files); `unsupported` (hub ids, other architectures); `engine` (no SIMD and the like); `memory` (does not fit; says how many
 * bytes were needed); and `signal.reason` after an abort
 */
export async function load(source?: string | URL | ModelBytes, options?: LoadOptions): Promise<Model> {
  const given = checkOptions<LoadOptions>("load options", options, LOAD_KEYS);
  const { wasm, fetch, onProgress } = given;
  const signal = checkSignal(given.signal);
  const size = checkSize(given);
  checkFunction("fetch", fetch);
  checkFunction("onProgress", onProgress);
  signal?.throwIfAborted();

  const files = await resolveSource(source, { fetch, signal });
  const config = await readConfig(files, signal);
  if (size.contextLength !== undefined) checkInteger("contextLength", size.contextLength, 1, config.n_positions, "The model has no positions beyond.");
  // Both go on while the weights' headers and then the weights come in, much of which is waiting.
  const tokenizer = started(loadTokenizer(files, config, { signal }));
  const instance = started(instantiate(wasm, signal));
  const weights = await openWeights(files, config, { signal, onProgress });
  try {
    const exports = await unlessAborted(instance.promise, signal);
    const memory = new Memory(exports.memory);
    const header = layOutWeights(exports, memory, config, weights.headStored, arenaBase(options));
    // Should a stored head turn out to be a copy, less is needed; if not even that fits, it is known before the weights come.
    layOutCache(exports, header, config, size);
    const sink = new PackingSink(exports, memory, header, () => {
      signal?.throwIfAborted();
      tokenizer.check();
    });
    await weights.stream(sink);
    exports.finishWeights(header);
    const { end, contextLength, pages, slots } = layOutCache(exports, header, config, size);
    memory.growTo(end, "cache");
    exports.initialiseCache(header);
    const arena = new Arena(exports, memory, header, config, contextLength, pages, slots);
    return new Model(new Lifetime("model", arena), await tokenizer.promise);
  } finally {
    await weights.close();
  }
}

/** A caller's promise of a module may never answer. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Work that goes on beside other work: `check` throws if it has failed by now. */
function started<T>(promise: Promise<T>): { promise: Promise<T>; check(): void } {
  let failure: { error: unknown } | undefined;
  promise.catch((error) => { failure = { error }; });
  return {
    promise,
    check() {
      if (failure !== undefined) throw failure.error;
    },
  };
}

const MOST_CONFIG_BYTES = 1 << 20;

async function readConfig(files: ModelFiles, signal: AbortSignal | undefined): Promise<ModelConfig> {
  const config = parseConfig(await readText(files, "config.json", MOST_CONFIG_BYTES, signal) ?? missing(files, "config.json"));
  // Frozen, for it is the public `model.config` as well, and sizes are checked against it ever after.
  Object.freeze(config.eos_token_id);
  return Object.freeze(config);
}

type Size = Pick<LoadOptions, "contextLength" | "maxSequences" | "cacheBytes">;

function checkSize({ contextLength, maxSequences, cacheBytes }: LoadOptions): Size {
  if (contextLength !== undefined) checkInteger("contextLength", contextLength, 1, 2 ** 31 - 1);
  if (maxSequences !== undefined) checkInteger("maxSequences", maxSequences, 1, 2 ** 20);
  if (cacheBytes !== undefined) checkInteger("cacheBytes", cacheBytes, 1, Number.MAX_SAFE_INTEGER);
  if (maxSequences !== undefined && cacheBytes !== undefined) {
    throw new KvasmError("option", `cacheBytes: both it (${cacheBytes}) and maxSequences (${maxSequences}) say how large the cache is. Leave one of them out.`, { argument: "cacheBytes", value: cacheBytes });
  }
  return { contextLength, maxSequences, cacheBytes };
}

function checkFunction(argument: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw new KvasmError("type", `${argument}: expected a function, got ${shown(value)}.`, { argument, value });
}

function arenaBase(options: object | undefined): number {
  const base: unknown = (options as { [ARENA_BASE]?: unknown } | undefined)?.[ARENA_BASE];
  return base === undefined ? 0 : checkInteger("arenaBase", base, 0, 2 ** 32 - 65536);
}

/** Address of the model header, with the memory grown to the weights' end. */
function layOutWeights(exports: KvasmExports, memory: Memory, config: ModelConfig, headStored: boolean, wantedBase: number): number {
  const base = Math.max(unsigned(exports.lowestBase()), Math.ceil(wantedBase / 64) * 64);
  memory.growTo(base + exports.HEADER_BYTES.value, "model header");
  const flags = (config.scale_attn_weights ? 0 : FLAG_NO_SCALE) | (config.scale_attn_by_inverse_layer_idx ? FLAG_INVERSE_LAYER : 0);
  const end = unsigned(exports.layoutWeights(
    base, config.n_layer, config.n_embd, config.n_head, config.n_inner, config.vocab_size, config.n_positions,
    activationIndex(config), flags, config.layer_norm_epsilon, headStored ? 1 : 0, WeightType.f32,
  ));
  memory.growTo(end, "weights");
  return base;
}

/** Places the cache; a `memory` error says how many bytes all of the model would have needed. */
function layOutCache(exports: KvasmExports, header: number, config: ModelConfig, size: Size): { end: number; contextLength: number; pages: number; slots: number } {
  const contextLength = size.contextLength ?? config.n_positions;
  checkFits(unsigned(exports.layoutCache(header, contextLength, 1, LEAST_SLOTS, CacheType.f32)), "model with one cache page");
  const pageBytes = unsigned(exports.regionBytes(header, Region.pages));
  const pages = size.cacheBytes === undefined
    ? (size.maxSequences ?? DEFAULT_SEQUENCES) * Math.ceil(contextLength / exports.PAGE_TOKENS.value)
    : Math.floor(size.cacheBytes / pageBytes);
  if (pages < 1) {
    throw new KvasmError("value", `cacheBytes: expected at least ${pageBytes}, one page of ${exports.PAGE_TOKENS.value} tokens, got ${size.cacheBytes}.`, { argument: "cacheBytes", value: size.cacheBytes });
  }
  checkFits(pages * pageBytes, "cache"); // first, for the module takes the number of pages as a u32
  const slots = Math.max(LEAST_SLOTS, pages);
  const end = unsigned(exports.layoutCache(header, contextLength, pages, slots, CacheType.f32));
  checkFits(end, `model with ${pages} cache pages`);
  return { end, contextLength, pages, slots };
}

const ELEMENT_BYTES: Record<number, number> = { [Dtype.F32]: 4, [Dtype.F16]: 2, [Dtype.BF16]: 2, [Dtype.F64]: 8 };

/** Carries raw tensor bytes to the module, which widens and packs them. `check` throws if loading should end. */
class PackingSink implements TensorSink {
  readonly #exports: KvasmExports;
  readonly #memory: Memory;
  readonly #header: number;
  readonly #check: () => void;
  readonly #staging: number;
  readonly #stagingBytes: number;

  constructor(exports: KvasmExports, memory: Memory, header: number, check: () => void) {
    this.#exports = exports;
    this.#memory = memory;
    this.#header = header;
    this.#check = check;
    this.#staging = unsigned(exports.stagingAddress(header));
    this.#stagingBytes = exports.STAGING_BYTES.value;
  }

  write({ name, tensor, layer }: TensorPlace, dtype: number, element: number, bytes: Uint8Array): void {
    this.#check();
    const { u8 } = this.#memory;
    const size = ELEMENT_BYTES[dtype];
    for (let from = 0; from < bytes.length; from += this.#stagingBytes) {
      const part = bytes.subarray(from, from + this.#stagingBytes);
      u8.set(part, this.#staging);
      const first = element + from / size;
      const bad = this.#exports.packTensor(this.#header, tensor, layer, dtype, first, part.length / size, 0);
      if (bad !== -1) {
        throw new KvasmError("non-finite", `${name}: element ${first + bad} is a NaN, infinite or beyond 32-bit floats. The checkpoint is damaged.`, { argument: name, value: first + bad });
      }
    }
  }
}
