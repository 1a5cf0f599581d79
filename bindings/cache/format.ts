/**
 * The file of a saved sequence, docs/FORMATS.md ("Saved sequences"): a header of 128 bytes, the ids, the last token's final-norm row, the pages
 * layer by layer, a checksum. Here is the header, and what of it has to fit a model.
 */
import { KvasmError } from "../errors.ts";
import { CacheType, WeightType } from "../wasm/exports.ts";

export const HEADER_BYTES = 128;
export const VERSION = 1;
/** Bytes of the checksum behind the pages. */
export const TRAILER_BYTES = 8;

/** No text begins so, and transfers that change line ends show. */
const MAGIC = [0x89, 0x4b, 0x56, 0x41, 0x53, 0x4d, 0x0d, 0x0a];

/** What is saved of, and has to be restored by: numbers of the header, u32 each, from byte 24 on in this order. */
export const MODEL_FIELDS = [
  "numerics", "weights", "cache", "n_layer", "n_embd", "n_head", "n_inner", "vocab_size", "n_positions", "activation_function", "attention scaling",
  "layer_norm_epsilon", "own head", "page tokens", "key bytes of a page", "value bytes of a page",
] as const;
export type ModelFields = Readonly<Record<(typeof MODEL_FIELDS)[number], number>>;

const FIELDS_AT = 24, TOKENS_AT = 88, HAS_LAST_AT = 92, WEIGHTS_SUM_AT = 96, SEED_AT = 104, HEAD_SUM_AT = 112, HEADER_SUM_AT = 120;
/** Bytes that the header's own checksum is of. */
export const SUMMED_BYTES = HEAD_SUM_AT;

export interface Header {
  readonly model: ModelFields;
  readonly tokens: number;
  /** The last token's final-norm row is there, of which its logits are made. */
  readonly hasLast: boolean;
  /** The weights' checksum. */
  readonly weightsSum: bigint;
  /** As Sequence.seed, if one was chosen. */
  readonly seed: number | undefined;
  /** Checksum of ids and row. */
  readonly headSum: bigint;
}

export interface Sizes {
  /** The ids, u32, padded with zeros to a multiple of 64 bytes. */
  readonly ids: number;
  /** The row, f32, padded likewise. */
  readonly row: number;
  readonly pages: number;
  /** Of the whole file. */
  readonly total: number;
}

/** Bytes of the parts. */
export function sizesOf(model: ModelFields, tokens: number): Sizes {
  const ids = padded(tokens * 4);
  const row = padded(model["n_embd"] * 4);
  const pages = model["n_layer"] * Math.ceil(tokens / model["page tokens"]) * (model["key bytes of a page"] + model["value bytes of a page"]);
  return { ids, row, pages, total: HEADER_BYTES + ids + row + pages + TRAILER_BYTES };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** @param sum the checksum of the header's first SUMMED_BYTES bytes */
export function encodeHeader(header: Header, sum: (bytes: Uint8Array) => bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, HEADER_BYTES, true);
  view.setFloat64(16, sizesOf(header.model, header.tokens).total, true);
  MODEL_FIELDS.forEach((name, i) => view.setUint32(FIELDS_AT + 4 * i, header.model[name], true));
  view.setUint32(TOKENS_AT, header.tokens, true);
  view.setUint32(HAS_LAST_AT, header.hasLast ? 1 : 0, true);
  view.setBigInt64(WEIGHTS_SUM_AT, header.weightsSum, true);
  view.setFloat64(SEED_AT, header.seed ?? -1, true);
  view.setBigInt64(HEAD_SUM_AT, header.headSum, true);
  view.setBigInt64(HEADER_SUM_AT, sum(bytes.subarray(0, SUMMED_BYTES)), true);
  return bytes;
}

/** @throws KvasmError `saved` (not such a file, another version, damaged) */
export function decodeHeader(bytes: Uint8Array, sum: (bytes: Uint8Array) => bigint): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw refusal("format", "it does not begin as a saved sequence does. Pass what Sequence.save gave, as binary");
  const version = view.getUint32(8, true);
  if (version !== VERSION) throw refusal("version", `it is of version ${version} of the format, and this kvasm reads version ${VERSION}. Save it again with this kvasm`, version);
  if (view.getBigInt64(HEADER_SUM_AT, true) !== sum(bytes.subarray(0, SUMMED_BYTES))) throw damaged("header");
  const model = Object.fromEntries(MODEL_FIELDS.map((name, i) => [name, view.getUint32(FIELDS_AT + 4 * i, true)])) as ModelFields;
  const tokens = view.getUint32(TOKENS_AT, true);
  const seed = view.getFloat64(SEED_AT, true);
  // Checksums that are right over numbers that cannot be: made by hand.
  const isFine = view.getUint32(12, true) === HEADER_BYTES && view.getFloat64(16, true) === sizesOf(model, tokens).total && model["page tokens"] > 0 &&
    view.getUint32(HAS_LAST_AT, true) <= (tokens > 0 ? 1 : 0) && (seed === -1 || (Number.isSafeInteger(seed) && seed >= 0));
  if (!isFine) throw refusal("header", "its numbers do not fit together. Save it again");
  return {
    model, tokens, hasLast: view.getUint32(HAS_LAST_AT, true) === 1, weightsSum: view.getBigInt64(WEIGHTS_SUM_AT, true), seed: seed === -1 ? undefined : seed,
    headSum: view.getBigInt64(HEAD_SUM_AT, true),
  };
}

/** What the ids alone carry over: computing them anew gives the sequence in another version of the numerics, cache or type of weights. */
const RECOMPUTABLE: readonly string[] = ["numerics", "weights", "cache", "page tokens", "key bytes of a page", "value bytes of a page"];

/**
 * Throws unless the pages are this model's; true if instead they have to be computed from the ids, and may be.
 * @throws KvasmError `saved`, naming what differs
 */
export function checkFits(saved: Header, here: ModelFields, weightsSum: () => bigint, recompute: boolean): boolean {
  const different = MODEL_FIELDS.filter((name) => saved.model[name] !== here[name]);
  const fatal = different.find((name) => !RECOMPUTABLE.includes(name));
  if (fatal !== undefined) {
    throw refusal(fatal, `it is another model's: its ${fatal} is ${shownField(fatal, saved.model[fatal])}, and this model's is ${shownField(fatal, here[fatal])}. Restore it with the model that it was saved from`, saved.model[fatal]);
  }
  // Of another type, or packed by other rules, the same weights have another checksum.
  if (!different.includes("weights") && !different.includes("numerics") && saved.weightsSum !== weightsSum()) {
    throw refusal("weights", "its model had this shape and type, but other weights. Restore it with the model that it was saved from");
  }
  const [first] = different;
  if (first === undefined) return false;
  if (recompute) return true;
  throw refusal(first, `its ${first} is ${shownField(first, saved.model[first])}, and this model's is ${shownField(first, here[first])}. Load the model as it was then, or pass recompute: true to compute the tokens again`, saved.model[first]);
}

function shownField(name: string, value: number): string {
  const names = name === "weights" ? WeightType : name === "cache" ? CacheType : {};
  const known = Object.entries(names).find(([, number]) => number === value);
  return known === undefined ? String(value) : JSON.stringify(known[0]);
}

/** @param what stands in the way: the error's `argument` */
export function refusal(what: string, why: string, value?: unknown): KvasmError {
  return new KvasmError("saved", `saved sequence: ${what}: ${why}.`, { argument: what, value });
}

export function damaged(what: string): KvasmError {
  return refusal("checksum", `the ${what} is damaged: its checksum does not match. Use another copy, or save it again`, what);
}
