import type { JsonObject } from "../../files/json.ts";
import { unsupported } from "./strict.ts";
import { byteTokens, UNKNOWN } from "./word-model.ts";
import type { WordModel } from "./word-model.ts";

/** How much less likely than the least likely token an unknown character is. */
const PENALTY = 10;

/** The tokens whose scores add up to the most (Kudo 2018), in the order of additions and comparisons of tokenizers. */
export function unigram(model: JsonObject, ids: ReadonlyMap<string, number>): WordModel {
  const vocabulary = model.vocab as [string, number][];
  if (ids.size !== vocabulary.length || ids.has("")) unsupported("model.vocab", "a list with a token twice, or an empty one");
  const unknownId = (model.unk_id as number | null | undefined) ?? UNKNOWN;
  if (unknownId < UNKNOWN || unknownId >= vocabulary.length) unsupported("model.unk_id", unknownId);
  const fallsBack = model.byte_fallback === true;
  /** By the first unit of a token: the most units that such a token has. */
  const longest = new Map<string, number>();
  let unknownScore = Infinity;
  for (const [token, score] of vocabulary) {
    longest.set(token[0], Math.max(longest.get(token[0]) ?? 0, token.length));
    unknownScore = Math.min(unknownScore, score - PENALTY);
  }

  /** For each place that a best path reaches: where its last token begins, and that token's id. */
  const bestPath = (word: string): { starts: Int32Array; tokens: Int32Array } => {
    const [starts, tokens, scores] = [new Int32Array(word.length + 1).fill(-1), new Int32Array(word.length + 1), new Float64Array(word.length + 1)];
    const offer = (start: number, end: number, id: number, score: number): void => {
      const sum = score + scores[start];
      if (starts[end] !== -1 && !(sum > scores[end])) return;
      [starts[end], tokens[end], scores[end]] = [start, id, sum];
    };
    for (let start = 0; start < word.length;) {
      const width = word.codePointAt(start)! > 0xffff ? 2 : 1;
      let single = false;
      const most = Math.min(word.length, start + (longest.get(word[start]) ?? 0));
      for (let end = start + width; end <= most; end++) {
        const id = ids.get(word.slice(start, end));
        if (id === undefined) continue;
        offer(start, end, id, vocabulary[id][1]);
        single ||= end === start + width;
      }
      if (!single) offer(start, start + width, unknownId, unknownScore);
      start += width;
    }
    return { starts, tokens };
  };

  return {
    vocabulary: ids,
    encode(word, out) {
      const { starts, tokens } = bestPath(word);
      const found: { text: string; unknown: boolean }[] = [];
      for (let end = word.length; end > 0; end = starts[end]) {
        const text = word.slice(starts[end], end);
        const unknown = tokens[end] === unknownId;
        const last = found.at(-1);
        if (unknown && last?.unknown === true) last.text = text + last.text; // unknown characters in a row are one
        else found.push({ text, unknown });
      }
      for (const { text } of found.reverse()) {
        const id = ids.get(text);
        const bytes = id === undefined && fallsBack ? byteTokens(text, ids) : undefined;
        for (const token of bytes ?? [id ?? unknownId]) out.push(token);
      }
    },
  };
}
