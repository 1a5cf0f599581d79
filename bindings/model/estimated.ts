import { KvasmError, checkInteger, checkOptions, shown } from "../errors.ts";
import { CacheType, HEADER_BYTES, MEMORY_LIMIT, PAGE_TOKENS, WeightType } from "../wasm/exports.ts";
import type { KvasmExports, Region } from "../wasm/exports.ts";
import { instantiate } from "../wasm/instantiate.ts";
import { Memory, PAGE_BYTES, unsigned } from "../wasm/memory.ts";
import { checkTypeName } from "../wasm/types.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import { configOf } from "../weights/config.ts";
import { isObject } from "../files/json.ts";
import type { ModelConfig } from "../weights/config.ts";
import { SIZE_KEYS, checkContext, checkSize, layOutWeights, pagesOf, placeCache, regionsOf, sizesToTry } from "./layout.ts";
import type { Size } from "./layout.ts";
import type { Estimate, EstimateOptions } from "./estimate.ts";

const KEYS = [...SIZE_KEYS, "weights", "cache", "limit", "wasm"] as const;

/** What `estimate` says. */
export async function estimated(config: Partial<ModelConfig> | Record<string, unknown>, options?: EstimateOptions): Promise<Estimate> {
  const given = checkOptions<EstimateOptions>("estimate options", options, KEYS);
  const size = checkSize(given);
  const weights = checkTypeName<Weights>("weights", given.weights, WeightType) ?? "f32";
  const cache = checkTypeName<Cache>("cache", given.cache, CacheType) ?? "f32";
  const limit = given.limit === undefined ? MEMORY_LIMIT : checkInteger("limit", given.limit, 1, Number.MAX_SAFE_INTEGER, "It is in bytes.");
  if (!isObject(config)) throw new KvasmError("type", `config: expected an object as in config.json, got ${shown(config)}.`, { argument: "config", value: config });
  const parsed = configOf(config);
  checkContext(size, parsed);
  const { exports } = await instantiate(given.wasm);
  return layOut(exports, parsed, size, { weights, cache }, limit);
}

function layOut(exports: KvasmExports, config: ModelConfig, size: Size, { weights, cache }: { weights: Weights; cache: Cache }, limit: number): Estimate {
  const memory = new Memory(exports.memory);
  const header = unsigned(exports.lowestBase());
  memory.growTo(header + HEADER_BYTES, "model header");
  const contextLength = size.contextLength ?? config.n_positions;
  /** undefined: beyond what WebAssembly addresses. */
  const place = (n_layer: number, pages: number): Places | undefined => {
    const weightsEnd = layOutWeights(exports, header, { ...config, n_layer }, config.tie_word_embeddings ? 0 : 2, weights);
    if (weightsEnd > MEMORY_LIMIT || pages >= 2 ** 32) return undefined;
    const end = placeCache(exports, header, config, contextLength, pages, cache);
    return end > MEMORY_LIMIT ? undefined : { ...regionsOf(exports, header), weightsEnd, end };
  };
  const layers = config.n_layer;
  const oneLayer = place(1, 1);
  const candidates = oneLayer === undefined ? [] : sizesToTry(size).map((tried) => pagesOf(tried, contextLength, oneLayer.pages * layers, PAGE_TOKENS));
  const pages = candidates.find((count) => place(layers, count) !== undefined) ?? candidates.at(-1);
  const places = pages && (place(layers, pages) ?? extrapolated(place(1, pages), place(2, pages), layers));
  if (!places) throw new KvasmError("memory", `config: one layer of this model and its cache are more than WebAssembly addresses, ${MEMORY_LIMIT} bytes. Use a smaller model or cache.`, { argument: "config", value: config });
  const { weightsEnd, end, ...regions } = places;
  const total = Math.max(memory.size, Math.ceil(Math.max(weightsEnd, end) / PAGE_BYTES) * PAGE_BYTES);
  return { memory: Object.freeze({ ...regions, total }), contextLength, pages: pages!, limit, fits: total <= Math.min(limit, MEMORY_LIMIT) };
}

type Places = Record<keyof typeof Region | "weightsEnd" | "end", number>;

/** What a model takes that the module cannot place: every layer takes as much as the second. */
function extrapolated(one: Places | undefined, two: Places | undefined, layers: number): Places | undefined {
  if (one === undefined || two === undefined) return undefined;
  const all = { ...one };
  for (const key of Object.keys(all) as (keyof Places)[]) all[key] += (layers - 1) * (two[key] - one[key]);
  return all;
}
