import type { ModelConfig } from "./config.ts";
import { parseJsonObject } from "../files/json.ts";
import { oneTokenId, tokenIds } from "./token-ids.ts";

export const GENERATION_NAME = "generation_config.json";

/**
 * The configuration with what a generation_config.json says of where texts begin and end: as in transformers it wins over config.json.
 * What it leaves out, or has null or outside the vocabulary, stays config.json's.
 * @throws KvasmError `config`
 */
export function withGenerationConfig(config: ModelConfig, text: string): ModelConfig {
  const file = GENERATION_NAME;
  const json = parseJsonObject(text, file, "config", "python");
  const { vocab_size } = config;
  const first = oneTokenId(json.bos_token_id ?? null, vocab_size, { file, name: "bos_token_id" });
  const ends = tokenIds(json.eos_token_id ?? null, vocab_size, { file, name: "eos_token_id" });
  return { ...config, bos_token_id: first ?? config.bos_token_id, eos_token_id: ends ?? config.eos_token_id };
}
