import { KvasmError, shown } from "../errors.ts";

/** Token ids: integers from 0 to vocab_size − 1. */
export type Ids = readonly number[] | Uint32Array | Int32Array;

/** A checked copy of `ids`. A list of the wrong kind is a `type` error, an id that the vocabulary has not is a `value` error. */
export function checkIds(argument: string, ids: unknown, vocabSize: number): Uint32Array<ArrayBuffer> {
  const list = listOf(argument, ids);
  const checked = new Uint32Array(list.length);
  for (let i = 0; i < checked.length; i++) {
    const id: unknown = list[i];
    checked[i] = isId(id, vocabSize) ? id : badId(`${argument}[${i}]`, id, vocabSize);
  }
  return checked;
}

export function checkId(argument: string, id: unknown, vocabSize: number): number {
  return isId(id, vocabSize) ? id : badId(argument, id, vocabSize);
}

function isId(id: unknown, vocabSize: number): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabSize;
}

function badId(argument: string, id: unknown, vocabSize: number): never {
  const code = typeof id === "number" ? "value" : "type";
  throw new KvasmError(code, `${argument}: expected a token id, an integer from 0 to ${vocabSize - 1}, got ${shown(id)}.`, { argument, value: id });
}

function listOf(argument: string, ids: unknown): ArrayLike<unknown> {
  if (Array.isArray(ids)) return ids;
  // By tag, not by instanceof: arrays of another realm count as well.
  const tag = Object.prototype.toString.call(ids);
  if (ArrayBuffer.isView(ids) && (tag === "[object Uint32Array]" || tag === "[object Int32Array]")) return ids as Uint32Array;
  throw new KvasmError("type", `${argument}: expected token ids as an array of integers, a Uint32Array or an Int32Array, got ${shown(ids)}.`, { argument, value: ids });
}
