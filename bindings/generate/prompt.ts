import { KvasmError } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import { checkIds } from "../model/ids.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/**
 * At least one token: of an empty prompt the configuration's first.
 * @throws KvasmError `type`, `value`, `tokenizer`
 */
export function promptIds(prompt: unknown, tokenizer: Tokenizer | null, { config }: Arena): Uint32Array {
  let ids: Uint32Array;
  if (typeof prompt === "string") {
    if (tokenizer === null && prompt !== "") {
      throw new KvasmError("tokenizer", "prompt: this model has no tokenizer, so text cannot be turned into tokens. Pass token ids.", { argument: "prompt", value: prompt });
    }
    ids = checkIds("prompt", tokenizer?.encode(prompt) ?? [], config.vocab_size);
  } else {
    ids = checkIds("prompt", prompt, config.vocab_size);
  }
  if (ids.length > 0) return ids;
  if (config.bos_token_id === null) {
    throw new KvasmError("value", "prompt: it is empty, and the configuration has no bos_token_id to start from. Pass at least one token.", { argument: "prompt", value: prompt });
  }
  return Uint32Array.of(config.bos_token_id);
}
