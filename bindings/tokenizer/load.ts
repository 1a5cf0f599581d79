import { KvasmError } from "../errors.ts";
import { readText } from "../weights/bytes.ts";
import type { ModelConfig } from "../weights/config.ts";
import type { ModelFiles } from "../weights/files.ts";
import type { Tokenizer } from "./tokenizer.ts";

const GPT2_VOCABULARY = 50257;
const MOST_BYTES = 256 << 20;

/**
 * The tokenizer of a model: tokenizer.json, or vocab.json and merges.txt, beside it; else GPT-2's own where the vocabulary has its
 * 50257 tokens; else null, as for files of a kind that @huggingface/tokenizers does not know.
 * @throws KvasmError `tokenizer` (malformed files), `source`; the signal's reason
 */
export async function loadTokenizer(files: ModelFiles, config: Pick<ModelConfig, "vocab_size">, options: { signal?: AbortSignal | undefined } = {}): Promise<Tokenizer | null> {
  const read = (name: string): Promise<string | null> => readOptional(files, name, options.signal);
  const json = await read("tokenizer.json");
  if (json !== null) return (await import("./huggingface.ts")).fromTokenizerJson(json);
  const vocabulary = await read("vocab.json");
  const merges = vocabulary === null ? null : await read("merges.txt");
  if (vocabulary !== null && merges !== null) return (await import("./huggingface.ts")).fromVocabulary(vocabulary, merges);
  return loadGpt2Tokenizer(config.vocab_size);
}

/** GPT-2's own tokenizer for a vocabulary of its size, else null. */
export async function loadGpt2Tokenizer(vocabSize: number): Promise<Tokenizer | null> {
  return vocabSize === GPT2_VOCABULARY ? (await import("./gpt2.ts")).gpt2Tokenizer : null;
}

/** Some stores answer 403 for what is not there. */
async function readOptional(files: ModelFiles, name: string, signal: AbortSignal | undefined): Promise<string | null> {
  try {
    return await readText(files, name, MOST_BYTES, signal);
  } catch (error) {
    if (KvasmError.is(error) && error.code === "source" && error.value === 403) return null;
    throw error;
  }
}
