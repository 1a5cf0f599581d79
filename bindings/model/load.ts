import { KvasmError, checkInteger, checkOptions, shown } from "../errors.ts";
import { CacheType, WeightType } from "../wasm/exports.ts";
import type { KvasmExports } from "../wasm/exports.ts";
import { instantiate } from "../wasm/instantiate.ts";
import type { WasmSource } from "../wasm/instantiate.ts";
import type { Memory } from "../wasm/memory.ts";
import { checkTypeName } from "../wasm/types.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import type { ModelConfig } from "../weights/config.ts";
import type { Progress, WeightReader } from "../weights/types.ts";
import type { ModelBytes } from "../files/files.ts";
import { HUB_KEYS, hubOptions } from "../hub/keys.ts";
import type { HubOptions } from "../hub/settings.ts";
import { SIZE_KEYS, checkContext, checkSize, layOutCache, layOutWeights } from "./layout.ts";
import type { Size } from "./layout.ts";
import type { Team } from "../threads/team.ts";
import { Lifetime } from "./lifetime.ts";
import { Model } from "./model.ts";
import { PackingSink } from "./packing.ts";
import { openArena, placeWeights } from "./placing.ts";
import { lazily } from "../hosts/lazily.ts";
import { checkSignal, unlessAborted } from "../hosts/signal.ts";

export interface LoadOptions extends Size, HubOptions {
  /**
   * What the matrices are held in: "f32", or integers of 8 ("q8") or 4 bits ("q4"), into which they are turned while they come in.
   * Default: as the file has them, f32 for a checkpoint of floats.
   */
  weights?: Weights | undefined;
  /** What keys and values are held in: "f32", "f16" or "q8". Default "f32". */
  cache?: Cache | undefined;
  /**
   * The WebAssembly module, for hosts that compile nothing from bytes: a compiled Module, its bytes or a Response, of kvasm.wasm or
   * of kvasm.relaxed.wasm (the same bits, faster for int4 weights, for engines with relaxed SIMD). Default: the one that is faster here.
   */
  wasm?: WasmSource | Promise<WasmSource> | undefined;
  /** Used for http(s) sources and hubs instead of the global fetch. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Ends loading by throwing `signal.reason`. */
  signal?: AbortSignal | undefined;
  /**
   * How many threads compute, 1 … 8, or "auto": as many as the machine has, one for a model too small to gain. The bits are the same. Where threads
   * cannot be had (no SharedArrayBuffer, a page without isolation headers, no workers), one thread computes and `model.threads` says why. Default 1.
   */
  threads?: number | "auto" | undefined;
  /** The address of `kvasm/threads-worker`, for pages whose policy forbids workers made of a blob (`worker-src 'self'`). */
  workerUrl?: string | URL | undefined;
  /** Called while weights come in: bytes so far, bytes in all if known, the file's name. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** What cores one memory feeds; beyond that nothing is gained. */
const MOST_THREADS = 8;

const LOAD_KEYS = [...SIZE_KEYS, ...HUB_KEYS, "weights", "cache", "wasm", "fetch", "signal", "onProgress", "threads", "workerUrl"] as const;

/** For tests: where the arena begins, to have it beyond 2 GiB. */
export const ARENA_BASE = Symbol.for("kvasm.arenaBase");

/**
 * Loads a model: by its name on a hub ("owner/name", or "owner/name/file.gguf"), from a path (what begins with ./, ../, / or a drive letter), a file: or http(s): URL, or its files
 * by name, each the bytes or a URL; without a source the small model that ships with the package. A failed load leaves nothing behind and can be tried
 * again.
 * @throws KvasmError `type`, `value`, `option` (arguments); `source`, `config`, `weights`, `tokenizer`, `non-finite` (the model's
 * files); `access`, `absent`, `rate-limit`, `offline`, `space` (of a hub); `unsupported` (other architectures); `engine` (no SIMD and the like); `memory` (does not fit; says how many
 * bytes were needed); and `signal.reason` after an abort
 */
export async function load(source?: string | URL | ModelBytes, options?: LoadOptions): Promise<Model> {
  const given = checkOptions<LoadOptions>("load options", options, LOAD_KEYS);
  const { wasm, fetch, onProgress } = given;
  const signal = checkSignal(given.signal);
  const size = checkSize(given);
  const threads = checkThreads(given.threads);
  const { workerUrl } = given;
  const wanted = checkTypeName<Weights>("weights", given.weights, WeightType);
  const cache = checkTypeName<Cache>("cache", given.cache, CacheType) ?? "f32";
  checkFunction("fetch", fetch);
  checkFunction("onProgress", onProgress);
  signal?.throwIfAborted();
  Promise.resolve(wasm).catch(() => {}); // a promise that rejects is looked at when the module is needed

  const { openCheckpoint, resolveSource } = await unlessAborted(lazily(() => import("./reading.ts")), signal);
  const files = await resolveSource(source, { fetch, signal, onProgress, hub: hubOptions(given), weights: wanted });
  const checkpoint = await openCheckpoint(files, { signal, onProgress });
  let team: Team | undefined;
  let isLoaded = false;
  try {
    const { config } = checkpoint;
    checkContext(size, config);
    // Both go on while the weights' headers and then the weights come in, much of which is waiting.
    const tokenizer = started(checkpoint.tokenizer());
    const alone = threads === undefined || threads === 1 ? started(instantiate(wasm, signal)) : undefined;
    const reader = await checkpoint.weights();
    team = alone ? undefined : await lazily(() => import("../threads/team.ts")).then(({ openTeam }) => openTeam({
      requested: threads!, workerUrl, wasm,
      layOut: (exports, header, most) => ({
        weightsEnd: layOutWeights(exports, header, config, reader.headStored ? 1 : 0, wanted ?? reader.weights),
        end: layOutCache(exports, header, config, size, cache, most).end,
      }),
    }));
    const { exports, module } = team?.instance ?? await unlessAborted(alone ? alone.promise : instantiate(wasm, signal), signal);
    const weights = await loadWeights(exports, reader, config, {
      weights: wanted,
      base: arenaBase(options),
      // Should a stored head turn out to be a copy, less is needed; if not even that fits, it is known before the weights come.
      laidOut: (header) => void layOutCache(exports, header, config, size, cache, team?.most),
      check() {
        signal?.throwIfAborted();
        tokenizer.check();
      },
    });
    const arena = openArena({ ...weights, module }, config, size, cache, team);
    await team?.begin(weights.header);
    const text = await tokenizer.promise;
    const notes = [...files.notes ?? [], ...checkpoint.notes?.(weights.type) ?? [], ...text.note === undefined ? [] : [text.note]];
    isLoaded = true;
    return new Model(new Lifetime("model", arena), text.tokenizer, notes);
  } finally {
    if (!isLoaded) team?.end();
    await checkpoint.close();
  }
}

export interface LoadedWeights {
  readonly exports: KvasmExports;
  readonly memory: Memory;
  /** Address of the model header. */
  readonly header: number;
  readonly type: Weights;
  /** The head is a matrix of its own. */
  readonly isUntied: boolean;
}

export interface WeightsOptions {
  /** Default: as the file has them. */
  readonly weights?: Weights | undefined;
  /** Address from which on the model may lie. */
  readonly base?: number;
  /** Called when the weights are laid out, before any comes; may throw. */
  readonly laidOut?: (header: number) => void;
  /** Called again and again; throws if loading should end. */
  readonly check: () => void;
}

/** Streams all weights into an instance of the module that holds nothing yet. */
export async function loadWeights(exports: KvasmExports, reader: WeightReader, config: ModelConfig, options: WeightsOptions): Promise<LoadedWeights> {
  const type = options.weights ?? reader.weights;
  const { memory, header } = placeWeights(exports, config, reader.headStored ? 1 : 0, type, options.base);
  options.laidOut?.(header);
  await reader.stream(new PackingSink(exports, memory, header, type, reader.weights, options.check));
  return { exports, memory, header, type, isUntied: exports.finishWeights(header) === 1 };
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

export function checkFunction(argument: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw new KvasmError("type", `${argument}: expected a function, got ${shown(value)}.`, { argument, value });
}

/** @throws KvasmError `type`, `value` */
function checkThreads(threads: unknown): number | "auto" | undefined {
  if (threads === undefined || threads === "auto") return threads;
  return checkInteger("threads", threads, 1, MOST_THREADS, 'Or "auto".');
}

function arenaBase(options: object | undefined): number {
  const base: unknown = (options as { [ARENA_BASE]?: unknown } | undefined)?.[ARENA_BASE];
  return base === undefined ? 0 : checkInteger("arenaBase", base, 0, 2 ** 32 - 65536);
}
