import { lazily } from "../hosts/lazily.ts";
import type { ByteLevelVocabulary, Tokenizer } from "./tokenizer.ts";

const vocabularies = new WeakMap<Tokenizer, () => ByteLevelVocabulary>();

export function setVocabulary(tokenizer: Tokenizer, make: () => ByteLevelVocabulary): void {
  vocabularies.set(tokenizer, make);
}

/** null: the tokenizer is of another kind. */
export async function vocabularyOf(tokenizer: Tokenizer): Promise<ByteLevelVocabulary | null> {
  const make = vocabularies.get(tokenizer);
  if (make !== undefined) return make();
  const { gpt2Tokenizer } = await lazily(() => import("./gpt2.ts"));
  return tokenizer === gpt2Tokenizer ? (await lazily(() => import("./gpt2-vocabulary.ts"))).gpt2Vocabulary() : null;
}
