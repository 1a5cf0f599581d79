import { shown } from "../../errors.ts";
import type { JsonObject } from "../../files/json.ts";
import { Queue } from "../queue.ts";
import { Unsupported } from "./strict.ts";
import { byteTokens, UNKNOWN } from "./word-model.ts";
import type { WordModel } from "./word-model.ts";

/** Words whose ids are kept, and the longest of them. */
const KEPT_WORDS = 10_000;
const LONGEST_KEPT = 256;
/** Ids are below 2²⁴: a pair of them is one number. */
const SECOND = 2 ** 24;

/** Fields of the model, their form checked. */
interface BytePairs extends JsonObject {
  readonly unk_token?: string | null;
  readonly continuing_subword_prefix?: string | null;
  readonly end_of_word_suffix?: string | null;
  readonly fuse_unk?: boolean | null;
  readonly byte_fallback?: boolean | null;
  readonly ignore_merges?: boolean | null;
}

/** Byte-pair encoding, in time n · log n of a word's length. */
export function bytePairs(model: JsonObject, ids: ReadonlyMap<string, number>): WordModel {
  const { unk_token: unknownToken, continuing_subword_prefix, end_of_word_suffix, fuse_unk: fuses, byte_fallback: fallsBack, ignore_merges: ignoresMerges } = model as BytePairs;
  const [prefix, suffix] = [continuing_subword_prefix ?? "", end_of_word_suffix ?? ""];
  const unknown = typeof unknownToken === "string" ? ids.get(unknownToken) ?? UNKNOWN : undefined;
  const { ranks, merged } = readMerges(model.merges as (string | [string, string])[], ids, prefix);

  /** The ids of a word's characters, before anything is merged. */
  const characterIds = (word: string): number[] => {
    const result: number[] = [];
    const characters = [...word];
    let pending: number | undefined;
    characters.forEach((character, i) => {
      const token = (i > 0 ? prefix : "") + character + (i === characters.length - 1 ? suffix : "");
      const id = ids.get(token);
      const bytes = id === undefined && fallsBack === true ? byteTokens(token, ids) : undefined;
      if (id !== undefined) {
        if (pending !== undefined) result.push(pending);
        pending = undefined;
        result.push(id);
      } else if (bytes !== undefined) {
        result.push(...bytes); // before an unknown character that waits, as in the reference
      } else if (unknown !== undefined) {
        if (pending !== undefined && fuses !== true) result.push(pending);
        pending = unknown;
      }
    });
    if (pending !== undefined) result.push(pending);
    return result;
  };

  const cache = new Map<string, number[]>();
  const encode = (word: string): number[] => {
    const whole = ignoresMerges === true ? ids.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const known = cache.get(word);
    if (known !== undefined) return known;
    const result = merge(characterIds(word), ranks, merged);
    if (word.length < LONGEST_KEPT) {
      if (cache.size >= KEPT_WORDS) cache.clear();
      cache.set(word, result);
    }
    return result;
  };
  return {
    vocabulary: ids,
    encode(word, out) {
      for (const id of encode(word)) out.push(id);
    },
  };
}

/** The rank of each pair of ids, and by rank the id that a pair becomes. */
function readMerges(merges: readonly (string | readonly [string, string])[], ids: ReadonlyMap<string, number>, prefix: string): { ranks: Map<number, number>; merged: Int32Array } {
  const merged = new Int32Array(merges.length);
  const ranks = new Map<number, number>();
  merges.forEach((merge, rank) => {
    const [a, b] = typeof merge === "string" ? merge.split(" ") : merge;
    if (prefix !== "" && !b.startsWith(prefix)) throw new Unsupported(`model.merges[${rank}] is ${shown(merge)}, its second part without the prefix`);
    const [first, second, both] = [ids.get(a), ids.get(b), ids.get(a + b.slice(prefix.length))];
    if (first === undefined || second === undefined || both === undefined) throw new Unsupported(`model.merges[${rank}] is ${shown(merge)}, of tokens that the vocabulary lacks`);
    ranks.set(first * SECOND + second, rank);
    merged[rank] = both;
  });
  return { ranks, merged };
}

/** Merges, again and again, the leftmost of the pairs with the lowest rank. */
function merge(tokens: number[], ranks: ReadonlyMap<number, number>, merged: Int32Array): number[] {
  const n = tokens.length;
  if (n < 2) return tokens;
  // A part keeps the place of its first token; the list of parts is linked, since parts vanish from within.
  const next = Int32Array.from({ length: n }, (_, i) => i + 1);
  const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
  const queue = new Queue();
  const rankAt = (at: number): number | undefined => next[at] < n ? ranks.get(tokens[at] * SECOND + tokens[next[at]]) : undefined;
  const look = (at: number): void => {
    const rank = rankAt(at);
    if (rank !== undefined) queue.add(rank, at);
  };
  for (let at = 0; at + 1 < n; at++) look(at);
  for (let entry = queue.take(); entry !== undefined; entry = queue.take()) {
    const [rank, at] = entry;
    const current = tokens[at] < 0 ? undefined : rankAt(at);
    if (current === undefined || merged[current] !== merged[rank]) continue; // one of its parts has been merged since
    const gone = next[at];
    tokens[at] = merged[rank];
    tokens[gone] = -2;
    next[at] = next[gone];
    if (next[at] < n) previous[next[at]] = at;
    if (previous[at] >= 0) look(previous[at]);
    look(at);
  }
  return tokens.filter((_, at) => tokens[at] !== -2);
}
