import { KvasmError, checkInteger } from "../errors.ts";
import { CacheType, FLAG_INVERSE_LAYER, FLAG_NO_SCALE, MEMORY_LIMIT, MOST_Q8_HEAD, MOST_Q8_INPUTS, PAGE_TOKENS, Region, WeightType } from "../wasm/exports.ts";
import type { KvasmExports } from "../wasm/exports.ts";
import { checkFits, unsigned } from "../wasm/memory.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import { activationIndex } from "../weights/config.ts";
import type { ModelConfig } from "../weights/config.ts";

/** How much room a model's cache has. */
export interface Size {
  /** Most tokens of a sequence, 1 … n_positions. Default: n_positions. */
  contextLength?: number | undefined;
  /**
   * Room in the cache for this many sequences of contextLength tokens. Default 4, or as many as fit beside a very large model. Shorter
   * ones, and forks, share it: there may be more.
   */
  maxSequences?: number | undefined;
  /** The cache's size in bytes, instead of maxSequences; rounded down to whole pages of 16 tokens. */
  cacheBytes?: number | undefined;
}

export const SIZE_KEYS = ["contextLength", "maxSequences", "cacheBytes"] as const;

const DEFAULT_SEQUENCES = 4;
/** Slots are small: enough of them that forks of short prompts do not run out. */
const LEAST_SLOTS = 256;

/** @throws KvasmError `type`, `value`, `option` */
export function checkSize({ contextLength, maxSequences, cacheBytes }: Size): Size {
  if (contextLength !== undefined) checkInteger("contextLength", contextLength, 1, 2 ** 31 - 1);
  if (maxSequences !== undefined) checkInteger("maxSequences", maxSequences, 1, 2 ** 20);
  if (cacheBytes !== undefined) checkInteger("cacheBytes", cacheBytes, 1, Number.MAX_SAFE_INTEGER);
  if (maxSequences !== undefined && cacheBytes !== undefined) {
    throw new KvasmError("option", `cacheBytes: both it (${cacheBytes}) and maxSequences (${maxSequences}) say how large the cache is. Leave one of them out.`, { argument: "cacheBytes", value: cacheBytes });
  }
  return { contextLength, maxSequences, cacheBytes };
}

/** The part of checkSize that needs the configuration. */
export function checkContext(size: Size, config: ModelConfig): void {
  if (size.contextLength !== undefined) checkInteger("contextLength", size.contextLength, 1, config.n_positions, "The model has no positions beyond.");
}

/** layoutWeights' `headStored`. */
export type Head = 0 | 1 | 2;

/**
 * Lays out the weights at `base`, where the memory has room for a header already. Returns their end, which may be beyond what fits.
 * @throws KvasmError `unsupported` (wider than int8 weights can be)
 */
export function layOutWeights(exports: KvasmExports, base: number, config: ModelConfig, head: Head, weights: Weights): number {
  const longest = Math.max(config.n_embd, config.n_inner);
  if (weights === "q8" && longest > MOST_Q8_INPUTS) {
    throw new KvasmError("unsupported", `weights: "q8" is for n_embd and n_inner up to ${MOST_Q8_INPUTS}, and this model has ${longest}. Use "f32" or "q4".`, { argument: "weights", value: weights });
  }
  return unsigned(exports.layoutWeights(
    base, config.n_layer, config.n_embd, config.n_head, config.n_inner, config.vocab_size, config.n_positions,
    activationIndex(config), attentionFlags(config), config.layer_norm_epsilon, head, WeightType[weights],
  ));
}

/** layoutWeights' `flags`. */
export function attentionFlags(config: ModelConfig): number {
  return (config.scale_attn_weights ? 0 : FLAG_NO_SCALE) | (config.scale_attn_by_inverse_layer_idx ? FLAG_INVERSE_LAYER : 0);
}

export interface CacheLayout {
  /** First byte behind the model. */
  readonly end: number;
  readonly contextLength: number;
  readonly pages: number;
  readonly slots: number;
}

/** Places the cache behind the weights. @throws KvasmError `memory` (says how many bytes all of it needs), `value` (cacheBytes below a page), `unsupported` */
export function layOutCache(exports: KvasmExports, header: number, config: ModelConfig, size: Size, cache: Cache, threads = 1): CacheLayout {
  const contextLength = size.contextLength ?? config.n_positions;
  checkFits(placeCache(exports, header, config, contextLength, 1, cache, threads), "model with one cache page");
  const pageBytes = unsigned(exports.regionBytes(header, Region.pages));
  let layout!: CacheLayout;
  for (const tried of sizesToTry(size)) {
    const pages = pagesOf(tried, contextLength, pageBytes, PAGE_TOKENS);
    // The module takes the number of pages as a u32.
    const end = pages * pageBytes > MEMORY_LIMIT ? pages * pageBytes : placeCache(exports, header, config, contextLength, pages, cache, threads);
    layout = { end, contextLength, pages, slots: slotsOf(pages) };
    if (end <= MEMORY_LIMIT) break;
  }
  checkFits(layout.end, `model with ${layout.pages} cache pages`);
  return layout;
}

/** The size that was asked for; or, where none was, four sequences down to one. */
export function sizesToTry(size: Size): Size[] {
  if (size.maxSequences !== undefined || size.cacheBytes !== undefined) return [size];
  return Array.from({ length: DEFAULT_SEQUENCES }, (_, i) => ({ ...size, maxSequences: DEFAULT_SEQUENCES - i }));
}

/** Returns the end of all, which may be beyond what fits. @throws KvasmError `unsupported` (heads larger than an int8 cache can have) */
export function placeCache(exports: KvasmExports, header: number, config: ModelConfig, contextLength: number, pages: number, cache: Cache, threads = 1): number {
  const headSize = config.n_embd / config.n_head;
  if (cache === "q8" && headSize > MOST_Q8_HEAD) {
    throw new KvasmError("unsupported", `cache: "q8" is for heads of up to ${MOST_Q8_HEAD} dimensions, and this model's have ${headSize}. Use "f32" or "f16".`, { argument: "cache", value: cache });
  }
  return unsigned(exports.layoutCache(header, contextLength, pages, slotsOf(pages), CacheType[cache], threads));
}

function slotsOf(pages: number): number {
  return Math.max(LEAST_SLOTS, pages);
}

/** Pages of the cache. @param pageBytes of all layers @throws KvasmError `value` (cacheBytes below a page) */
export function pagesOf(size: Size, contextLength: number, pageBytes: number, pageTokens: number): number {
  if (size.cacheBytes === undefined) return (size.maxSequences ?? 1) * Math.ceil(contextLength / pageTokens);
  const pages = Math.floor(size.cacheBytes / pageBytes);
  if (pages >= 1) return pages;
  throw new KvasmError("value", `cacheBytes: expected at least ${pageBytes}, one page of ${pageTokens} tokens, got ${size.cacheBytes}.`, { argument: "cacheBytes", value: size.cacheBytes });
}

/** Bytes of each region, in the order of their addresses. */
export function regionsOf(exports: KvasmExports, header: number): Record<keyof typeof Region, number> {
  const bytes = {} as Record<keyof typeof Region, number>;
  for (const name of Object.keys(Region) as (keyof typeof Region)[]) bytes[name] = unsigned(exports.regionBytes(header, Region[name]));
  return bytes;
}
