import { KvasmError, shown } from "../errors.ts";

/** Where a value was read, for messages. */
export interface Field {
  readonly file: string;
  readonly name: string;
}

/** Models are often saved with the ids of a larger vocabulary left in place, or with -1: such an id means none, like null. */
export function oneTokenId(value: unknown, vocabulary: number, field: Field): number | null {
  if (value === null) return null;
  const id = tokenId(value, field);
  return id >= 0 && id < vocabulary ? id : null;
}

/** One id or a list of them. */
export function tokenIds(value: unknown, vocabulary: number, field: Field): number | readonly number[] | null {
  if (!Array.isArray(value)) return oneTokenId(value, vocabulary, field);
  const ids = [...new Set(value.map((one) => tokenId(one, field)))].filter((id) => id >= 0 && id < vocabulary);
  return ids.length > 0 ? ids : null;
}

function tokenId(value: unknown, { file, name }: Field): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new KvasmError("config", `${file}: ${name}: expected a token id, an integer, or null for none, got ${shown(value)}.`, { argument: name, value });
}
