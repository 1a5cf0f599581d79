import type { Tokenizer } from "./tokenizer.ts";

/** What a byte-level BPE tokenizer with GPT-2's words is made of, for files that carry it. */
export interface ByteLevelVocabulary {
  /** By id, one printable character for each byte; special tokens as they are. undefined: no token has this id. */
  readonly tokens: readonly (string | undefined)[];
  /** "a b", by rank. */
  readonly merges: readonly string[];
  /** Ids of tokens that are found in a text as they are. */
  readonly special: ReadonlySet<number>;
}

const vocabularies = new WeakMap<Tokenizer, () => ByteLevelVocabulary>();

export function setVocabulary(tokenizer: Tokenizer, make: () => ByteLevelVocabulary): void {
  vocabularies.set(tokenizer, make);
}

/** null: the tokenizer is of another kind. */
export async function vocabularyOf(tokenizer: Tokenizer): Promise<ByteLevelVocabulary | null> {
  const make = vocabularies.get(tokenizer);
  if (make !== undefined) return make();
  const { gpt2Tokenizer } = await import("./gpt2.ts");
  return tokenizer === gpt2Tokenizer ? (await import("./gpt2-vocabulary.ts")).gpt2Vocabulary() : null;
}
