/** Of words to ids. */
export interface WordModel {
  /** A token's text → its id. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Appends the ids of a word to `out`; UNKNOWN for what has none. */
  encode(word: string, out: number[]): void;
}

/** The id of what a vocabulary has no token for, and no token for the unknown either. */
export const UNKNOWN = -1;

const utf8 = new TextEncoder();

/** "<0x0A>" for each byte of a text; undefined unless the vocabulary has them all. */
export function byteTokens(text: string, ids: ReadonlyMap<string, number>): number[] | undefined {
  const result: number[] = [];
  for (const byte of utf8.encode(text)) {
    const id = ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id === undefined) return undefined;
    result.push(id);
  }
  return result;
}
