/** The tokens of a word, by the library's models, once it is certain that the library does with this one what the reference does. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { KvasmError, shown } from "../../errors.ts";
import { isObject } from "../../weights/json.ts";
import type { JsonObject } from "../../weights/json.ts";
import { byteCharacters } from "../byte-alphabet.ts";
import { fieldsOf, is, isAbsent, isBoolean, isString, or, unsupported } from "./strict.ts";

export interface WordModel {
  readonly type: "BPE" | "Unigram" | "WordPiece" | "WordLevel";
  /** A token's text → its id. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** The ids of one word. @throws KvasmError `tokenizer` for what the model has no token for */
  ids(word: string): number[];
}

const isVocabulary = (value: unknown): boolean => isObject(value);
const none = or(isAbsent, is(""));
const FIELDS: Record<WordModel["type"], Record<string, (value: unknown) => boolean>> = {
  BPE: {
    vocab: isVocabulary, merges: Array.isArray, dropout: or(isAbsent, is(0)), unk_token: or(isAbsent, isString), continuing_subword_prefix: none,
    end_of_word_suffix: or(isAbsent, isString), fuse_unk: or(isAbsent, isBoolean), byte_fallback: or(isAbsent, isBoolean), ignore_merges: or(isAbsent, isBoolean),
  },
  Unigram: { vocab: Array.isArray, unk_id: or(isAbsent, Number.isInteger), byte_fallback: or(isAbsent, is(false)) },
  WordPiece: { vocab: isVocabulary, unk_token: isString, continuing_subword_prefix: isString, max_input_chars_per_word: Number.isInteger },
  WordLevel: { vocab: isVocabulary, unk_token: or(isAbsent, isString) },
};

/** Files of earlier versions do not name it. */
function typeOf(model: JsonObject): unknown {
  if (model.type !== undefined) return model.type;
  if ("merges" in model) return "BPE";
  return "max_input_chars_per_word" in model ? "WordPiece" : Array.isArray(model.vocab) ? "Unigram" : undefined;
}

/**
 * @param model of the file, its form checked; `bytes`: words come spelled by bytes
 * @throws Unsupported
 */
export function wordModel(model: JsonObject, { bytes }: { bytes: boolean }): WordModel {
  const type = typeOf(model);
  if (typeof type !== "string" || !Object.hasOwn(FIELDS, type)) return unsupported("model.type", type);
  const kind = type as WordModel["type"];
  fieldsOf("model", model, FIELDS[kind]);
  const vocabulary: ReadonlyMap<string, number> = Array.isArray(model.vocab)
    ? new Map((model.vocab as [string, number][]).map(([token], id) => [token, id]))
    : new Map(Object.entries(model.vocab as Record<string, number>));
  const unknown = model.unk_token;
  if (typeof unknown === "string" && !vocabulary.has(unknown) && kind !== "WordLevel") unsupported("model.unk_token, which model.vocab lacks,", unknown);
  if (kind === "WordPiece" && typeof unknown !== "string") unsupported("model.unk_token", unknown);
  if (Array.isArray(model.vocab) && vocabulary.size !== model.vocab.length) unsupported("model.vocab", "a list with a token twice");
  if (kind === "Unigram" && typeof model.unk_id === "number" && (model.unk_id < 0 || model.unk_id >= vocabulary.size)) unsupported("model.unk_id", model.unk_id);

  const filled = { max_input_chars_per_word: 100, continuing_subword_prefix: kind === "WordPiece" ? "##" : undefined, ...model, type: kind };
  const json = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, model: filled };
  const library = new Library(json, typeof unknown === "string" ? { unk_token: unknown } : {});
  // The library takes the score of what is unknown for the score of the token of that name.
  if (kind === "Unigram" && typeof model.unk_id === "number") (library.model as unknown as { scores: number[] }).scores[model.unk_id] = (model.vocab as [string, number][])[model.unk_id][1];

  const known = kind === "BPE" && typeof unknown !== "string" && model.byte_fallback !== true ? onlyKnown(model, vocabulary, bytes) : (word: string) => word;
  return {
    type: kind, vocabulary,
    ids(word) {
      const asked = known(word);
      if (asked === "") return [];
      let ids: number[];
      try {
        ids = library.encode(asked, { add_special_tokens: false }).ids;
      } catch (cause) {
        throw new KvasmError("tokenizer", `tokenizer: text: cannot convert ${shown(word)} (${cause instanceof Error ? cause.message : String(cause)}). Its files may be damaged.`, { argument: "text", value: word, cause });
      }
      if (ids.every((id) => id !== undefined)) return ids;
      throw new KvasmError("tokenizer", `tokenizer: has no token for a part of ${shown(word)}, and none for what is unknown.`, { argument: "text", value: word });
    },
  };
}

/** A BPE model without a token for what is unknown leaves such characters out, before it merges. */
function onlyKnown(model: JsonObject, vocabulary: ReadonlyMap<string, number>, bytes: boolean): (word: string) => string {
  if (model.end_of_word_suffix) return unsupported("model.end_of_word_suffix, without unk_token,", model.end_of_word_suffix);
  const isWhole = bytes && byteCharacters().every((character) => vocabulary.has(character));
  if (isWhole) return (word) => word;
  return (word) => model.ignore_merges === true && vocabulary.has(word) ? word : [...word].filter((character) => vocabulary.has(character)).join("");
}
