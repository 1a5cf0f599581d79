import { readText } from "../weights/bytes.ts";
import type { ModelConfig } from "../weights/config.ts";
import type { ModelFiles } from "../weights/files.ts";
import type { LoadedTokenizer, Tokenizer } from "./tokenizer.ts";

const GPT2_VOCABULARY = 50257;
const MOST_BYTES = 256 << 20;

/**
 * The tokenizer of a model: tokenizer.json, or vocab.json and merges.txt, beside it; else GPT-2's own where the vocabulary has its
 * 50257 tokens; else null. A note says why files that are there give none.
 * @throws KvasmError `tokenizer` (malformed files), `source`; the signal's reason
 */
export async function loadTokenizer(files: ModelFiles, config: Pick<ModelConfig, "vocab_size">, options: { signal?: AbortSignal | undefined } = {}): Promise<LoadedTokenizer> {
  const read = (name: string): Promise<string | null> => readText(files, name, MOST_BYTES, options.signal);
  const json = await read("tokenizer.json");
  if (json !== null) return orNote((await import("./huggingface.ts")).fromTokenizerJson(json), "tokenizer.json");
  const vocabulary = await read("vocab.json");
  const merges = vocabulary === null ? null : await read("merges.txt");
  if (vocabulary !== null && merges !== null) return orNote((await import("./huggingface.ts")).fromVocabulary(vocabulary, merges), "vocab.json");
  return { tokenizer: await loadGpt2Tokenizer(config.vocab_size) };
}

function orNote(tokenizer: Tokenizer | null, file: string): LoadedTokenizer {
  return tokenizer === null ? { tokenizer, note: `tokenizer: ${file} is of a kind that kvasm does not know. Pass token ids.` } : { tokenizer };
}

/** GPT-2's own tokenizer for a vocabulary of its size, else null. */
export async function loadGpt2Tokenizer(vocabSize: number): Promise<Tokenizer | null> {
  return vocabSize === GPT2_VOCABULARY ? (await import("./gpt2.ts")).gpt2Tokenizer : null;
}
