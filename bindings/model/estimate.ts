import { lazily } from "../hosts/lazily.ts";
import type { WasmSource } from "../wasm/instantiate.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import type { ModelConfig } from "../weights/config.ts";
import type { Size } from "./layout.ts";
import type { MemoryReport } from "./model.ts";

export interface EstimateOptions extends Size {
  /** As load takes it. Default "f32". */
  weights?: Weights | undefined;
  /** As load takes it. Default "f32". */
  cache?: Cache | undefined;
  /** Bytes that the model's memory may have. Default: what WebAssembly addresses, 4 GiB less 64 KiB. */
  limit?: number | undefined;
  /** As load takes it. */
  wasm?: WasmSource | Promise<WasmSource> | undefined;
}

export interface Estimate {
  /** What `memory` of the loaded model will be: bytes by region and in all. */
  readonly memory: MemoryReport;
  readonly contextLength: number;
  /** Pages of the cache, 16 tokens each. */
  readonly pages: number;
  /** Bytes that `memory.total` was compared with. */
  readonly limit: number;
  readonly fits: boolean;
}

/**
 * Bytes that a model takes once it is loaded, before anything is loaded: the module lays out what it would load, in an instance
 * of its own that stays empty. The head is counted as a matrix of its own where the configuration says so (tie_word_embeddings
 * false); a checkpoint that stores a copy of the embedding as its head takes that much more while it loads. What JavaScript itself
 * takes (code, a tokenizer's tables) comes on top.
 * @param config a config.json's content as an object, or a Model's config
 * @throws KvasmError `type`, `value`, `option`, `config`, `unsupported`; `engine`, `source` (the module); `memory` if not even a layer
 * can be laid out
 */
export async function estimate(config: Partial<ModelConfig> | Record<string, unknown>, options?: EstimateOptions): Promise<Estimate> {
  return (await lazily(() => import("./estimated.ts"))).estimated(config, options);
}
