/** Checks of what tokenizer files hold. */
import { KvasmError, shown } from "../errors.ts";
import { isObject } from "../files/json.ts";
import type { JsonObject } from "../files/json.ts";

/** Ids beyond this are damage: the vocabulary is held as an array. */
const MOST_TOKENS = 2 ** 24;

export function checkVocabulary(vocab: Record<string, unknown>, file: string): void {
  const ids = new Set<unknown>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!isTokenId(id)) fail(file, shown(token), id, "an id");
    if (ids.has(id)) fail(file, shown(token), id, "an id of its own");
    ids.add(id);
  }
}

/** The model of a tokenizer.json. */
export function checkModel(model: JsonObject, file: string): void {
  const { type, vocab, merges } = model;
  if (isObject(vocab)) checkVocabulary(vocab, file);
  if (type === "Unigram" ? !Array.isArray(vocab) : !isObject(vocab)) fail(file, "model.vocab", vocab, type === "Unigram" ? "a list" : "an object");
  if (Array.isArray(vocab)) {
    const bad = vocab.find((entry) => !Array.isArray(entry) || typeof entry[0] !== "string" || typeof entry[1] !== "number");
    if (bad !== undefined) fail(file, "model.vocab", bad, "pairs of token and score");
  }
  if (type !== "BPE" && merges === undefined) return;
  const isPair = (pair: unknown): boolean => Array.isArray(pair) && pair.length === 2 && pair.every((token) => typeof token === "string");
  const format = Array.isArray(merges) && Array.isArray(merges[0]) ? isPair : (pair: unknown): boolean => typeof pair === "string" && pair.split(" ").length === 2;
  if (!Array.isArray(merges) || !merges.every(format)) fail(file, "model.merges", merges, "a list of pairs of tokens, all written in one way");
  const prefix = typeof model.continuing_subword_prefix === "string" ? model.continuing_subword_prefix : "";
  for (const merge of merges as (string | [string, string])[]) {
    const [a, b] = typeof merge === "string" ? merge.split(" ") : merge;
    const absent = [a, b, a + b.slice(b.startsWith(prefix) ? prefix.length : 0)].find((token) => !Object.hasOwn(vocab as object, token));
    if (absent !== undefined) fail(file, "model.merges", absent, "tokens that model.vocab has");
  }
}

export function isTokenId(id: unknown): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < MOST_TOKENS;
}

export function fail(file: string, argument: string, value: unknown, wanted: string): never {
  throw new KvasmError("tokenizer", `${file}: ${argument}: expected ${wanted}, got ${shown(value)}.`, { argument, value });
}
