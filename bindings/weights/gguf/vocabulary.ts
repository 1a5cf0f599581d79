import { KvasmError, shown } from "../../errors.ts";
import { lazily } from "../../hosts/lazily.ts";
import { loadGpt2Tokenizer } from "../../tokenizer/load.ts";
import { END_OF_TEXT, GPT2_VOCABULARY } from "../../tokenizer/tokenizer.ts";
import type { LoadedTokenizer } from "../../tokenizer/tokenizer.ts";
import { TokenType } from "./format.ts";
import type { Value } from "./header.ts";

const MODEL = "tokenizer.ggml.model";
const WORDS = "tokenizer.ggml.pre";
const TOKENS = "tokenizer.ggml.tokens";
const TYPES = "tokenizer.ggml.token_type";
const MERGES = "tokenizer.ggml.merges";

/** Metadata arrays that a tokenizer is made of. */
export const TOKENIZER_ARRAYS: ReadonlySet<string> = new Set([TOKENS, TYPES, MERGES]);

/** Of tokenizer.ggml.pre: GPT-2's words, also where old files of GPT-2 do not say. */
const GPT2_WORDS: readonly (Value | undefined)[] = [undefined, "default", "gpt-2", "gpt2"];

/**
 * A tokenizer from a GGUF file's metadata: GPT-2's own if the tokens and merges are its, else one made of them; null and a note for
 * other kinds than byte-level BPE with GPT-2's words.
 * @throws KvasmError `tokenizer`
 */
export async function ggufTokenizer(metadata: ReadonlyMap<string, Value>, vocabSize: number, file: string): Promise<LoadedTokenizer> {
  const fail = (argument: string, value: unknown, wanted: string): never => {
    throw new KvasmError("tokenizer", `${file}: ${argument}: expected ${wanted}, got ${shown(value)}. The header is damaged.`, { argument, value });
  };
  if (!metadata.has(TOKENS)) return { tokenizer: await loadGpt2Tokenizer(vocabSize) };
  const none = (why: string): LoadedTokenizer => ({ tokenizer: null, note: `tokenizer: ${why}. Pass token ids.` });
  const model = metadata.get(MODEL);
  if (model !== "gpt2") return none(`${MODEL} is ${shown(model)}, and kvasm reads "gpt2" (byte-level BPE)`);
  const words = metadata.get(WORDS);
  if (!GPT2_WORDS.includes(words)) return none(`${WORDS} is ${shown(words)}, another way to cut a text into words than GPT-2's`);
  const tokens = strings(TOKENS);
  if (!metadata.has(MERGES)) return none(`${MERGES} is missing`);
  const merges = strings(MERGES);
  const types = integers();
  if (await isGpt2(tokens, merges)) return { tokenizer: await loadGpt2Tokenizer(tokens.length) };

  const vocabulary = new Map(tokens.map((token, id) => [token, id]));
  if (vocabulary.size !== tokens.length) {
    const twice = tokens.findIndex((token, id) => vocabulary.get(token) !== id);
    fail(`${TOKENS}[${twice}]`, tokens[twice], "tokens that differ");
  }
  const pairs = merges.map((merge, i): [string, string] => {
    const pair = merge.split(" ");
    if (pair.length !== 2 || pair.includes("")) fail(`${MERGES}[${i}]`, merge, "two tokens with a space between them");
    if (![...pair, pair.join("")].every((token) => vocabulary.has(token))) fail(`${MERGES}[${i}]`, merge, `parts and a whole that ${TOKENS} has`);
    return pair as [string, string];
  });
  const isSpecial = (id: number): boolean => types === undefined ? tokens[id] === END_OF_TEXT : types[id] === TokenType.control || types[id] === TokenType.userDefined;
  const { byteLevelTokenizer, plainToken } = await lazily(() => import("../../tokenizer/huggingface.ts"));
  const special = tokens.flatMap((content, id) => isSpecial(id) && content !== "" ? [plainToken(id, content, types?.[id] !== TokenType.userDefined)] : []);
  return byteLevelTokenizer(TOKENS, vocabulary, pairs, special);

  function integers(): readonly number[] | undefined {
    const value = metadata.get(TYPES);
    if (value === undefined) return undefined;
    const fine = Array.isArray(value) && value.length === tokens.length && value.every((one) => typeof one === "number");
    return fine ? value as readonly number[] : fail(TYPES, value, `as many integers as there are tokens (${tokens.length})`);
  }

  function strings(key: string): readonly string[] {
    const value = metadata.get(key);
    if (!Array.isArray(value)) return fail(key, value, "an array of strings");
    const bad = value.findIndex((one) => typeof one !== "string");
    return bad < 0 ? value : fail(`${key}[${bad}]`, value[bad], value[bad] === null ? "text in UTF-8" : "an array of strings");
  }
}

/** A merge's rank is its result's id, less the 256 bytes (END_OF_TEXT is the one token that is neither): nothing of the split matters to the encoding. */
async function isGpt2(tokens: readonly string[], merges: readonly string[]): Promise<boolean> {
  if (tokens.length !== GPT2_VOCABULARY || merges.length !== GPT2_VOCABULARY - 257) return false;
  const { gpt2Tokens } = await lazily(() => import("../../tokenizer/gpt2-vocabulary.ts"));
  return gpt2Tokens().every((token, id) => token === tokens[id]) && merges.every((merge, i) => merge.replace(" ", "") === tokens[256 + i]);
}
