import { KvasmError, shown } from "../errors.ts";
import { GPT2_VOCABULARY } from "../tokenizer/tokenizer.ts";
import { Activation } from "../wasm/exports.ts";
import { isObject, parseJsonObject } from "../files/json.ts";
import type { JsonObject } from "../files/json.ts";
import { FORMAT } from "./quantized-format.ts";
import { MOST, MOST_LAYERS } from "./sizes.ts";
import { oneTokenId, tokenIds } from "./token-ids.ts";

/** A GPT-2 configuration, under the names of Hugging Face's config.json. Every field has its value, defaults included. */
export interface ModelConfig {
  /** Blocks. */
  readonly n_layer: number;
  /** Width of the hidden state. */
  readonly n_embd: number;
  /** Attention heads; each has n_embd / n_head dimensions. */
  readonly n_head: number;
  /** Width of the feed-forward layer: 4 · n_embd where the file says null or nothing. */
  readonly n_inner: number;
  /** Rows of the embedding. */
  readonly vocab_size: number;
  /** Longest context, in tokens. */
  readonly n_positions: number;
  readonly activation_function: string;
  readonly layer_norm_epsilon: number;
  readonly scale_attn_weights: boolean;
  readonly scale_attn_by_inverse_layer_idx: boolean;
  readonly reorder_and_upcast_attn: boolean;
  readonly tie_word_embeddings: boolean;
  /** What an empty prompt starts with: generation_config.json's where that has one. null also for an id outside the vocabulary. */
  readonly bos_token_id: number | null;
  /** What ends a text: generation_config.json's where that has any. null also for ids outside the vocabulary. */
  readonly eos_token_id: number | readonly number[] | null;
}

/** Hugging Face's names, to the function of the module they stand for. */
const ACTIVATION_NAMES: Record<string, Activation> = {
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  gelu_accurate: "gelu_tanh",
  gelu_fast: "gelu_tanh", // its ten-digit constant rounds to the same binary32
  gelu: "gelu_erf",
  quick_gelu: "quick_gelu",
  relu: "relu",
  silu: "silu",
  swish: "silu",
  tanh: "tanh",
};

/** Second names that transformers accepts for GPT-2's sizes. */
const ALIASES: Record<string, string> = {
  n_embd: "hidden_size", n_layer: "num_hidden_layers", n_head: "num_attention_heads", n_positions: "max_position_embeddings",
};


/** A config.json as it is. @throws KvasmError `config` (malformed) */
export function parseConfigJson(text: string): JsonObject {
  return parseJsonObject(text, "config.json", "config", "python");
}

/**
 * What a config.json says. Absent fields have the defaults of transformers' GPT2Config, that is GPT-2 small's; fields that do not
 * concern inference are ignored.
 * @throws KvasmError `config` (`argument` is the field), `unsupported` (another architecture)
 */
export function configOf(json: JsonObject): ModelConfig {
  const type = json.model_type ?? "gpt2";
  if (type !== "gpt2") unsupported("model_type", type, 'kvasm computes GPT-2 ("gpt2") only');
  if (json.add_cross_attention === true) unsupported("add_cross_attention", true, "kvasm has no encoder to attend to");
  if (json.is_encoder_decoder === true) unsupported("is_encoder_decoder", true, "kvasm has no encoder to attend to");
  if (isObject(json.quantization_config) && json.quantization_config.quant_method !== FORMAT) {
    unsupported("quantization_config", json.quantization_config, "the weights are quantised. Use the F32, F16 or BF16 checkpoint");
  }

  const n_embd = size(json, "n_embd", 768, MOST);
  const n_head = size(json, "n_head", 12, MOST);
  if (n_embd % n_head !== 0) fail("n_head", n_head, `a divisor of n_embd (${n_embd})`);
  const vocab_size = size(json, "vocab_size", GPT2_VOCABULARY, MOST);
  const id = (name: string): unknown => json[name] === undefined ? GPT2_VOCABULARY - 1 : json[name];
  const config: ModelConfig = {
    n_layer: size(json, "n_layer", 12, MOST_LAYERS),
    n_embd,
    n_head,
    n_inner: json.n_inner === null ? 4 * n_embd : size(json, "n_inner", 4 * n_embd, 4 * MOST),
    vocab_size,
    n_positions: size(json, "n_positions", 1024, MOST),
    activation_function: activationName(json),
    layer_norm_epsilon: epsilon(json),
    scale_attn_weights: flag(json, "scale_attn_weights", true),
    scale_attn_by_inverse_layer_idx: flag(json, "scale_attn_by_inverse_layer_idx", false),
    reorder_and_upcast_attn: flag(json, "reorder_and_upcast_attn", false),
    tie_word_embeddings: flag(json, "tie_word_embeddings", true),
    bos_token_id: oneTokenId(id("bos_token_id"), vocab_size, { file: "config.json", name: "bos_token_id" }),
    eos_token_id: tokenIds(id("eos_token_id"), vocab_size, { file: "config.json", name: "eos_token_id" }),
  };
  activationIndex(config);
  return config;
}

/**
 * Number of the configuration's activation function (Activation of wasm/exports.ts).
 * @throws KvasmError `unsupported` for a name that is none of Hugging Face's that kvasm has
 */
export function activationIndex(config: Pick<ModelConfig, "activation_function">): number {
  const name = config.activation_function;
  if (!Object.hasOwn(ACTIVATION_NAMES, name)) {
    unsupported("activation_function", name, `known are ${Object.keys(ACTIVATION_NAMES).join(", ")}`);
  }
  return Activation[ACTIVATION_NAMES[name]];
}

function size(json: JsonObject, name: string, fallback: number, most: number): number {
  const alias = ALIASES[name];
  const given = json[name];
  const second = alias === undefined ? undefined : json[alias];
  if (given !== undefined && second !== undefined && given !== second) {
    fail(alias, second, `the same as ${name} (${shown(given)}), of which it is another name`);
  }
  const value = given ?? second;
  if (given === null || second === null) fail(name, null, `an integer from 1 to ${most}`);
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most) return value;
  return fail(given === undefined ? alias : name, value, `an integer from 1 to ${most}`);
}

function flag(json: JsonObject, name: string, fallback: boolean): boolean {
  const value = json[name];
  if (value === undefined) return fallback;
  return typeof value === "boolean" ? value : fail(name, value, "true or false");
}

function activationName(json: JsonObject): string {
  const value = json.activation_function;
  if (value === undefined) return "gelu_new";
  return typeof value === "string" ? value : fail("activation_function", value, "a name, in quotes");
}

/** At least 1e-30: the layer norm divides by √(variance + epsilon), and a row of equal numbers has variance 0. */
function epsilon(json: JsonObject): number {
  const value = json.layer_norm_epsilon;
  if (value === undefined) return 1e-5;
  return typeof value === "number" && value >= 1e-30 && value <= 1e6 ? value : fail("layer_norm_epsilon", value, "a number from 1e-30 to 1e6");
}

function fail(field: string, value: unknown, wanted: string): never {
  throw new KvasmError("config", `config.json: ${field}: expected ${wanted}, got ${shown(value)}.`, { argument: field, value });
}

function unsupported(field: string, value: unknown, why: string): never {
  throw new KvasmError("unsupported", `config.json: ${field} ${shown(value)}: ${why}.`, { argument: field, value });
}
