import type { JsonObject } from "../../files/json.ts";
import { unsupported } from "./strict.ts";
import { UNKNOWN } from "./word-model.ts";
import type { WordModel } from "./word-model.ts";

/** Whole words only. */
export function wordLevel(model: JsonObject, ids: ReadonlyMap<string, number>): WordModel {
  const unknown = ids.get(model.unk_token as string) ?? UNKNOWN;
  return { vocabulary: ids, encode: (word, out) => void out.push(ids.get(word) ?? unknown) };
}

/** The longest token that a word begins with, then the longest that goes on; a word that is not used up is unknown as a whole. */
export function wordPiece(model: JsonObject, ids: ReadonlyMap<string, number>): WordModel {
  const { unk_token: unknownToken, continuing_subword_prefix: prefix = "##", max_input_chars_per_word: most = 100 } = model;
  if (typeof unknownToken !== "string" || typeof prefix !== "string" || typeof most !== "number") return unsupported("model.unk_token", unknownToken);
  const unknown = ids.get(unknownToken) ?? UNKNOWN;
  const pieces = (characters: readonly string[]): number[] => {
    const found: number[] = [];
    for (let start = 0; start < characters.length;) {
      let end = characters.length;
      let id: number | undefined;
      for (; end > start; end--) {
        id = ids.get((start > 0 ? prefix : "") + characters.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [unknown];
      found.push(id);
      start = end;
    }
    return found;
  };
  return {
    vocabulary: ids,
    encode(word, out) {
      const characters = [...word];
      if (characters.length > most) out.push(unknown);
      else for (const id of pieces(characters)) out.push(id);
    },
  };
}
