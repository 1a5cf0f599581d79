/**
 * Tensors that GPT-2 does not have. As in transformers, what does not change the next token is passed over: heads that were trained
 * beside the language model's or instead of it, buffers, another model in the same file. What would change it is not.
 */

const LAYER = /^h\.(-?\d+)\./;

/** Parts of names, and what they are of. Tried in this order, on names without "transformer.". */
const CHANGES: readonly [RegExp, string][] = [
  [/cross_?att|\bq_attn\b|\bencoder_attn\b/i, "it is of cross-attention, which kvasm does not compute"],
  [
    /lora|adapter|(\b|_)(ia3|hada|lokr|oft|boft|vera|fourierft|hra|shira|bone|miss|vblora|c3a|dora)_|reft\b|adaption_(prompt|gate)|base_layer|modules_to_save|trainable_tokens/i,
    "it is of an adapter. Merge the adapter into the model and save that",
  ],
  [/prefix|prompt|learned_embedding|control_trans|past_key/i, "it is of a learned prefix or prompt, which kvasm does not put before a text"],
  [
    /\.(qweight|qzeros|scales|zeros|g_idx|scb|absmax|quant_map|quant_state|nested_\w+|weight_(scale|zero_point|packed|shape|format|scale_inv)|(input|output)_scale|\w+_scale)\b/i,
    "it is of quantised weights in a format that kvasm does not read. Use the F32, F16 or BF16 checkpoint",
  ],
  [/\.(weight_(g|v|u|orig|mask)|parametrizations)\b/, "it is of a weight that is computed from others (weight norm, pruning). Save the model with the result in its place"],
  [/^lm_head\.bias$/, "GPT-2's head has no bias, so the logits would be others"],
];

/** Of a layer: what is no parameter. */
const BUFFER = /(mask|bias_k|bias_v|ids|index|count|step|seen|cache|seed|dropout|observer|min_val|max_val|num_batches_tracked)\w*$/i;
/** Of a layer: parameters that are not called weight or bias, or buffers that take part. */
const TAKES_PART = /(weight|bias|gamma|beta|alpha|gate|scale|temperature|lambda|rotary|rope|inv_freq|freqs|alibi|slopes|rel(ative)?_pos|relative|param)\w*$/i;
/** Outside the layers: what would be added to, or done to, the hidden state. */
const OF_THE_STREAM = /^(w\w{0,3}e|ln_\w+|\w*embed\w*|emb\w*|((final|emb\w*|input|pre|post)_)?(layer_?)?norm\w*|\w*rotary\w*|\w*alibi\w*|\w*rel(ative)?_pos\w*)\./;

/**
 * Why a tensor forbids to compute the model without it; undefined: it does not.
 * @param bare its name without "transformer."
 */
export function whyNeeded(bare: string): string | undefined {
  const found = CHANGES.find(([pattern]) => pattern.test(bare));
  if (found !== undefined) return found[1];
  const layer = LAYER.exec(bare);
  if (layer !== null) {
    const inner = bare.slice(layer[0].length);
    return TAKES_PART.test(inner) && !BUFFER.test(inner) ? "GPT-2's layers have no such part, so it is of another model" : undefined;
  }
  return OF_THE_STREAM.test(bare) ? "GPT-2 has no such part between embedding and head, so it is of another model" : undefined;
}

/** What a name tells of a file that is no whole GPT-2; undefined: nothing. */
export function whatInstead(name: string): string | undefined {
  const wrapped = /^(.+?)(?:transformer\.)?(?:wte\.weight|wpe\.weight|h\.\d+\..+|ln_f\..+|lm_head\.weight)$/.exec(name);
  if (wrapped !== null && name !== "transformer.lm_head.weight") return `its prefix ${JSON.stringify(wrapped[1])} is none of GPT-2's names (as saved by a wrapper). Save the wrapped model itself`;
  if (/\.(in_proj|self_attn|q_proj|query|attention)\b/.test(name)) return "it is of another architecture than GPT-2";
  return undefined;
}

/** Kinds of names that a note spells out. */
const NAMED = 16;

/** A sentence on tensors that were passed over: names that differ by their layer only are said once. */
export function passedOver(names: readonly string[]): string {
  const kinds = new Map<string, string[]>();
  for (const name of names) {
    const kind = name.replace(/\bh\.\d+\./, "h.#.");
    kinds.set(kind, [...kinds.get(kind) ?? [], name]);
  }
  const said = [...kinds.values()].map((same) => same.length === 1 ? JSON.stringify(same[0]) : `${JSON.stringify(same[0])} (and in ${same.length - 1} more layers)`);
  const rest = said.slice(NAMED).length;
  return `Passed over, for GPT-2 does not have them: ${said.slice(0, NAMED).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}.`;
}
