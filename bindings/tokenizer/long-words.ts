import { Queue } from "./queue.ts";

/**
 * Byte-pair encoding of one very long word, in time n · log n. The same result as merging, again and again, the leftmost of the
 * pairs with the lowest rank (Sennrich et al. 2016, as GPT-2 applies it to bytes).
 */
export class LongWords {
  /** The bytes of a token, one character each, → its rank, which is its id. */
  readonly #ranks = new Map<string, number>();

  constructor(tokens: number, bytesOf: (id: number) => Uint8Array) {
    for (let id = 0; id < tokens; id++) this.#ranks.set(characters(bytesOf(id)), id);
  }

  encode(bytes: Uint8Array): number[] {
    const n = bytes.length;
    const word = characters(bytes);
    // A part begins at a byte and ends where the next one begins; the list of parts is linked, since parts vanish from within.
    const next = Int32Array.from({ length: n + 1 }, (_, i) => i + 1);
    const previous = Int32Array.from({ length: n + 1 }, (_, i) => i - 1);
    const pairRank = new Int32Array(n + 1).fill(-1); // of the part beginning here with the one after it
    const queue = new Queue();

    const look = (at: number): void => {
      const end = next[at] < n ? next[next[at]] : -1;
      const rank = end === -1 ? undefined : this.#ranks.get(word.slice(at, end));
      pairRank[at] = rank ?? -1;
      if (rank !== undefined) queue.add(rank, at);
    };
    for (let at = 0; at < n; at++) look(at);

    for (let entry = queue.take(); entry !== undefined; entry = queue.take()) {
      const [rank, at] = entry;
      if (pairRank[at] !== rank) continue; // one of its parts has been merged since
      const gone = next[at];
      next[at] = next[gone];
      previous[next[gone]] = at;
      pairRank[gone] = -1;
      look(at);
      if (previous[at] >= 0) look(previous[at]);
    }

    const ids: number[] = [];
    for (let at = 0; at < n; at = next[at]) ids.push(this.#ranks.get(word.slice(at, next[at]))!);
    return ids;
  }
}

function characters(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
}
