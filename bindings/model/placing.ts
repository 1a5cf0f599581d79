/** What of loading needs no file: a model's places in an instance of the module. */
import { HEADER_BYTES } from "../wasm/exports.ts";
import type { KvasmExports } from "../wasm/exports.ts";
import type { Instance } from "../wasm/instantiate.ts";
import { Memory, unsigned } from "../wasm/memory.ts";
import type { Cache, Weights } from "../wasm/types.ts";
import type { ModelConfig } from "../weights/config.ts";
import type { Team } from "../threads/team.ts";
import { Arena } from "./arena.ts";
import { layOutCache, layOutWeights } from "./layout.ts";
import type { Head, Size } from "./layout.ts";

export interface PlacedWeights {
  readonly memory: Memory;
  /** Address of the model header. */
  readonly header: number;
}

/** Room for the weights, from `base` on, in an instance that holds nothing yet. @throws KvasmError `memory`, `unsupported` */
export function placeWeights(exports: KvasmExports, config: ModelConfig, head: Head, weights: Weights, base = 0): PlacedWeights {
  const memory = new Memory(exports.memory);
  const header = Math.max(unsigned(exports.lowestBase()), Math.ceil(base / 64) * 64);
  memory.growTo(header + HEADER_BYTES, "model header");
  memory.growTo(layOutWeights(exports, header, config, head, weights), "weights");
  return { memory, header };
}

/** The model, once its weights are in: its cache lies behind them. @throws KvasmError `memory`, `value` (cacheBytes below a page), `unsupported` */
export function openArena(
  { memory, header, type, ...instance }: Instance & PlacedWeights & { readonly type: Weights }, config: ModelConfig, size: Size, cache: Cache, team?: Team,
): Arena {
  const layout = layOutCache(instance.exports, header, config, size, cache, team?.most);
  memory.growTo(layout.end, "cache");
  instance.exports.initialiseCache(header);
  return new Arena(instance, memory, header, config, layout, { weights: type, cache }, team);
}
