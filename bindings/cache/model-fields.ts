import { CacheType, Region, WeightType } from "../wasm/exports.ts";
import { unsigned } from "../wasm/memory.ts";
import { activationIndex } from "../weights/config.ts";
import type { Arena } from "../model/arena.ts";
import { attentionFlags } from "../model/layout.ts";
import type { ModelFields } from "./format.ts";

/** What of a model has to be the same for a cache to be its own, beside the weights. */
export function modelFields({ exports, header, config, weights, cache, pageTokens }: Arena): ModelFields {
  const { n_layer, n_embd, n_head, n_inner, vocab_size, n_positions } = config;
  return {
    numerics: exports.NUMERICS_VERSION.value, weights: WeightType[weights], cache: CacheType[cache],
    n_layer, n_embd, n_head, n_inner, vocab_size, n_positions,
    activation_function: activationIndex(config), "attention scaling": attentionFlags(config),
    layer_norm_epsilon: new Uint32Array(Float32Array.of(config.layer_norm_epsilon).buffer)[0],
    "own head": exports.regionBytes(header, Region.storedHead) === 0 ? 0 : 1,
    "page tokens": pageTokens, "key bytes of a page": unsigned(exports.keyPageBytes(header)), "value bytes of a page": unsigned(exports.valuePageBytes(header)),
  };
}
