import { readText } from "../files/bytes.ts";
import type { ModelFiles } from "../files/files.ts";
import { lazily } from "../hosts/lazily.ts";
import { GPT2_VOCABULARY } from "./tokenizer.ts";
import type { LoadedTokenizer, Tokenizer } from "./tokenizer.ts";

const MOST_BYTES = 256 << 20;

/** Files of tokenizers that kvasm does not read: with one of them beside it, a model's tokens are not GPT-2's, whatever their number. */
const OTHERS = ["merges.txt", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"];

/**
 * The tokenizer of a model: tokenizer.json, or vocab.json and merges.txt with what lies beside them; else GPT-2's own where the vocabulary
 * has its 50257 tokens and no other tokenizer's file is there; else null. A note says why files that are there give none.
 * @throws KvasmError `tokenizer` (malformed files), `source`; the signal's reason
 */
export async function loadTokenizer(files: ModelFiles, config: { readonly vocab_size: number }, options: { signal?: AbortSignal | undefined } = {}): Promise<LoadedTokenizer> {
  const read = (name: string): Promise<string | null> => readText(files, name, MOST_BYTES, options.signal);
  const json = await read("tokenizer.json");
  if (json !== null) return (await lazily(() => import("./huggingface.ts"))).fromTokenizerJson(json);
  const vocabulary = await read("vocab.json");
  const merges = vocabulary === null ? null : await read("merges.txt");
  if (vocabulary !== null && merges !== null) {
    const [settings, added, special] = [await read("tokenizer_config.json"), await read("added_tokens.json"), await read("special_tokens_map.json")];
    return (await lazily(() => import("./slow-files.ts"))).fromSlowFiles({ vocabulary, merges, config: settings, added, special }, config.vocab_size);
  }
  const alone = vocabulary === null ? undefined : "vocab.json, without merges.txt,";
  const other = alone ?? await firstOf(files, OTHERS);
  if (other !== undefined) return { tokenizer: null, note: `tokenizer: ${other === "merges.txt" ? "merges.txt, without vocab.json," : other} is of a kind that kvasm does not read. Pass token ids, or put a tokenizer.json beside the model.` };
  return { tokenizer: await loadGpt2Tokenizer(config.vocab_size) };
}

async function firstOf(files: ModelFiles, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const file = await files.open(name);
    if (file === null) continue;
    await file.stream.cancel().catch(() => {});
    return name;
  }
  return undefined;
}

/** GPT-2's own tokenizer for a vocabulary of its size, else null. */
export async function loadGpt2Tokenizer(vocabSize: number): Promise<Tokenizer | null> {
  return vocabSize === GPT2_VOCABULARY ? (await lazily(() => import("./gpt2.ts"))).gpt2Tokenizer : null;
}
