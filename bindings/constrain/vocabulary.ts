/** The bytes of a vocabulary's tokens, in an order in which tokens with a common beginning stand together. */
import { KvasmError } from "../errors.ts";
import { byteCharacters } from "../tokenizer/byte-alphabet.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { vocabularyOf } from "../tokenizer/vocabulary.ts";

export interface TokenBytes {
  readonly id: number;
  readonly bytes: Uint8Array;
  /** Bytes that it has in common with the token before it. */
  readonly common: number;
}

export interface TokenTable {
  /** Ascending by bytes. Special and added tokens are left out: they are no text of a constraint. */
  readonly tokens: readonly TokenBytes[];
  readonly byId: ReadonlyMap<number, Uint8Array>;
}

const tables = new WeakMap<Tokenizer, Promise<TokenTable>>();

/** @throws KvasmError `tokenizer` for one whose tokens are not plain bytes */
export function tokenTable(tokenizer: Tokenizer): Promise<TokenTable> {
  let table = tables.get(tokenizer);
  if (table === undefined) {
    tables.set(tokenizer, table = build(tokenizer));
    table.catch(() => tables.delete(tokenizer));
  }
  return table;
}

async function build(tokenizer: Tokenizer): Promise<TokenTable> {
  const vocabulary = await vocabularyOf(tokenizer);
  if (vocabulary === null) {
    throw new KvasmError("tokenizer", "constrain: this model's tokenizer is not byte-level BPE as GPT-2 has it, so what its tokens stand for depends on their neighbours. Use processors instead.", { argument: "constrain" });
  }
  const byteOf = new Map(byteCharacters().map((character, byte) => [character, byte]));
  const byId = new Map<number, Uint8Array>();
  vocabulary.tokens.forEach((token, id) => {
    if (token === undefined || token === "" || vocabulary.added.has(id)) return;
    const bytes = Array.from(token, (character) => byteOf.get(character));
    if (!bytes.includes(undefined)) byId.set(id, Uint8Array.from(bytes as number[]));
  });
  const sorted = [...byId].map(([id, bytes]) => ({ id, bytes, text: String.fromCharCode(...bytes) })).sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id));
  let before: Uint8Array = new Uint8Array();
  const tokens = sorted.map(({ id, bytes }) => {
    let common = 0;
    while (common < bytes.length && common < before.length && bytes[common] === before[common]) common++;
    before = bytes;
    return { id, bytes, common };
  });
  return { tokens, byId };
}
