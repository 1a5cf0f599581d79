/** The model of a tokenizer.json: words to ids (tokenizers, models/). */
import type { JsonObject } from "../../files/json.ts";
import { isObject } from "../../files/json.ts";
import { bytePairs } from "./byte-pairs.ts";
import { fieldsOf, is, isAbsent, isBoolean, isString, or, unsupported } from "./strict.ts";
import { unigram } from "./unigram.ts";
import type { WordModel } from "./word-model.ts";
import { wordLevel, wordPiece } from "./words.ts";

const [text, yes] = [or(isAbsent, isString), or(isAbsent, isBoolean)];
type Kind = readonly [fields: Record<string, (value: unknown) => boolean>, make: (model: JsonObject, ids: ReadonlyMap<string, number>) => WordModel];
const KINDS: Record<string, Kind> = {
  BPE: [{
    vocab: isObject, merges: Array.isArray, dropout: or(isAbsent, is(0)), unk_token: text, continuing_subword_prefix: text, end_of_word_suffix: text,
    fuse_unk: yes, byte_fallback: yes, ignore_merges: yes,
  }, bytePairs],
  Unigram: [{ vocab: Array.isArray, unk_id: or(isAbsent, Number.isInteger), byte_fallback: yes }, unigram],
  WordPiece: [{ vocab: isObject, unk_token: isString, continuing_subword_prefix: isString, max_input_chars_per_word: Number.isInteger }, wordPiece],
  WordLevel: [{ vocab: isObject, unk_token: text }, wordLevel],
};

/** Files of earlier versions do not name it. */
function typeOf(model: JsonObject): unknown {
  if (model.type !== undefined) return model.type;
  if ("merges" in model) return "BPE";
  return "max_input_chars_per_word" in model ? "WordPiece" : Array.isArray(model.vocab) ? "Unigram" : undefined;
}

/**
 * @param model of the file, the form of its vocabulary and merges checked
 * @throws Unsupported
 */
export function wordModel(model: JsonObject): WordModel {
  const type = typeOf(model);
  if (typeof type !== "string" || !Object.hasOwn(KINDS, type)) return unsupported("model.type", type);
  const [fields, make] = KINDS[type];
  fieldsOf("model", model, fields);
  return make(model, Array.isArray(model.vocab) ? new Map((model.vocab as [string, number][]).map(([token], id) => [token, id])) : new Map(Object.entries(model.vocab as Record<string, number>)));
}
