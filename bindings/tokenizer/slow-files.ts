/**
 * GPT-2 tokenizers without tokenizer.json: vocab.json and merges.txt, and beside them what says which tokens are found as they are, read as
 * transformers 5 reads them (tokenization_utils_base.py, `_from_pretrained`).
 */
import { shown } from "../errors.ts";
import { parseJsonObject } from "../files/json.ts";
import type { JsonObject } from "../files/json.ts";
import { byteLevelTokenizer } from "./huggingface.ts";
import { slowAddedTokens } from "./slow-tokens.ts";
import type { LoadedTokenizer } from "./tokenizer.ts";
import { checkVocabulary, fail } from "./vocabulary-files.ts";

/** Texts of the files; null where there is none. */
export interface SlowFiles {
  readonly vocabulary: string;
  readonly merges: string;
  readonly config: string | null;
  readonly added: string | null;
  readonly special: string | null;
}

const CLASSES: readonly unknown[] = [undefined, null, "GPT2Tokenizer", "GPT2TokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"];

/**
 * A byte-level BPE tokenizer, as GPT-2 has it.
 * @param rows of the embedding: special tokens that have a name but no id in any file get none beyond it
 * @throws KvasmError `tokenizer` if the files are malformed
 */
export function fromSlowFiles(files: SlowFiles, rows = Infinity): LoadedTokenizer {
  const none = (why: string): LoadedTokenizer => ({ tokenizer: null, note: `tokenizer: ${why}. Pass token ids.` });
  const vocab = parseJsonObject(files.vocabulary, "vocab.json", "tokenizer");
  checkVocabulary(vocab, "vocab.json");
  const merges = readMerges(files.merges, vocab);
  const config = files.config === null ? {} : parseJsonObject(files.config, "tokenizer_config.json", "tokenizer", "python");
  if (!CLASSES.includes(config.tokenizer_class)) {
    return none(`tokenizer_config.json: tokenizer_class is ${shown(config.tokenizer_class)}, and kvasm reads vocab.json and merges.txt as GPT-2's`);
  }
  const prefix = config.add_prefix_space ?? false;
  if (typeof prefix !== "boolean") fail("tokenizer_config.json", "add_prefix_space", prefix, "true or false");
  if (config.split_special_tokens === true) return none("tokenizer_config.json: split_special_tokens is true, which kvasm does not know");
  const json = (file: string, text: string | null): JsonObject | null => text === null ? null : parseJsonObject(text, file, "tokenizer", "python");
  const { tokens, odd } = slowAddedTokens(vocab as Record<string, number>, rows, {
    config, added: json("added_tokens.json", files.added), special: json("special_tokens_map.json", files.special),
  });
  if (odd !== undefined) return none(odd);
  return byteLevelTokenizer("vocab.json", Object.entries(vocab as Record<string, number>), merges, tokens, { addPrefixSpace: prefix === true });
}

function readMerges(text: string, vocab: JsonObject): [string, string][] {
  const merges: [string, string][] = [];
  text.replace(/^\ufeff/, "").split(/\r?\n/).forEach((line, i) => {
    if (line === "" || (i === 0 && line.startsWith("#version"))) return;
    const pair = line.split(" ");
    if (pair.length !== 2 || pair.includes("")) fail("merges.txt", `line ${i + 1}`, line, "two tokens with a space between them");
    const absent = [...pair, pair.join("")].find((token) => !Object.hasOwn(vocab, token));
    if (absent !== undefined) fail("merges.txt", `line ${i + 1}`, absent, "tokens that vocab.json has");
    merges.push(pair as [string, string]);
  });
  return merges;
}
