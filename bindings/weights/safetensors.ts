import { KvasmError, shown } from "../errors.ts";
import { Dtype } from "../wasm/exports.ts";
import type { Weights } from "../wasm/types.ts";
import type { ByteReader } from "../files/bytes.ts";
import { isObject, parseJsonObject } from "../files/json.ts";
import type { JsonObject } from "../files/json.ts";
import { weightsLookalikeOf } from "../files/lookalike.ts";
import { weightsOf } from "./quantized.ts";
import type { StoredTensor } from "./types.ts";
import { ELEMENT_BYTES } from "./units.ts";

export interface SafetensorsHeader {
  /** In the order in which they lie in the file; together they are all of its data. */
  readonly tensors: readonly StoredTensor[];
  /** Bytes of data, which follow the header. */
  readonly dataBytes: number;
  /** What the matrices are: f32 for floats of any kind. */
  readonly weights: Weights;
}

/** The format's own limit. */
const MOST_HEADER_BYTES = 100_000_000;

/** What a model's weights may have; masks may have any. */
const FLOATS: readonly string[] = ["F32", "F16", "BF16", "F64"];

/** Index in Dtype of a type that weights may have. */
export function weightDtype(tensor: StoredTensor, file: string): number {
  if (FLOATS.includes(tensor.dtype)) return Dtype[tensor.dtype as keyof typeof Dtype];
  throw new KvasmError("unsupported", `${file}: ${shown(tensor.name)} has type ${shown(tensor.dtype)}; kvasm reads ${FLOATS.join(", ")}. Save the model in one of these.`, { argument: tensor.name, value: tensor.dtype });
}

/**
 * Reads and checks the header: eight bytes of length, then JSON. Offsets must cover the data without gap or overlap; that they are
 * multiples of the element is not asked for, as files with one-byte masks exist.
 * @throws KvasmError `weights`, `source`
 */
export async function readHeader(reader: ByteReader, file: string): Promise<SafetensorsHeader> {
  const prefix = (await reader.take(8)).slice();
  const start = String.fromCharCode(...prefix);
  const instead = (): Promise<string> => weightsLookalikeOf(start, reader);
  if (prefix.length < 8) fail(file, `has ${prefix.length} bytes, fewer than a safetensors file begins with${await instead()}`, prefix.length);
  const view = new DataView(prefix.buffer);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MOST_HEADER_BYTES) fail(file, `is no safetensors file${await instead()} (its first 8 bytes give a header of ${length} bytes)`, length);
  if (reader.size !== undefined && 8 + length > reader.size) fail(file, `should have a header of ${length} bytes and has ${reader.size} bytes in all${await instead()}. It is cut off, or no safetensors file`, length);
  const bytes = await reader.take(length);
  if (bytes.length < length) fail(file, `ends within its header, after ${8 + bytes.length} of ${8 + length} bytes${await instead()}. Download it again`, bytes.length);

  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.slice());
  } catch (cause) {
    throw new KvasmError("weights", `${file}: the header is not UTF-8. The file is damaged; download it again.`, { argument: file, cause });
  }
  if (text.startsWith("\ufeff")) fail(file, "the header begins with a byte order mark, and the format has it begin with {. Write the file anew", text.slice(0, 8));
  const json = parseJsonObject(text, file, "weights");
  const weights = weightsOf(metadataOf(json, file), file);
  const tensors = Object.entries(json)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => parseEntry(name, entry, file));
  if (tensors.length === 0) fail(file, "has no tensors", 0);
  const sorted = inOrder(tensors, file);
  return { tensors: sorted, dataBytes: checkExtent(sorted, file, length, reader.size), weights };
}

/** Texts by name, which say nothing of the tensors but in kvasm's own files. */
function metadataOf(json: JsonObject, file: string): Readonly<Record<string, string>> {
  if (!Object.hasOwn(json, "__metadata__")) return {};
  const metadata = json.__metadata__;
  const refuse = (what: string, value: unknown, argument: string): never => {
    throw new KvasmError("weights", `${file}: __metadata__: ${what}, got ${shown(value)}. The header is damaged.`, { argument, value });
  };
  if (!isObject(metadata)) return refuse("expected an object of texts", metadata, "__metadata__");
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") refuse(`${shown(key)}: expected a text in quotes`, value, key);
  }
  return metadata as Record<string, string>;
}

function parseEntry(name: string, entry: unknown, file: string): StoredTensor {
  const refuse = (what: string, value: unknown): never => {
    throw new KvasmError("weights", `${file}: ${shown(name)}: ${what}, got ${shown(value)}. The header is damaged.`, { argument: name, value });
  };
  if (!isObject(entry)) return refuse("expected an object with dtype, shape and data_offsets", entry);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string") return refuse("dtype: expected a string", dtype);
  if (!Array.isArray(shape) || shape.length > 16 || !shape.every(isCount)) return refuse("shape: expected a list of sizes", Array.isArray(shape) ? shape.join(", ") : shape);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) return refuse("data_offsets: expected two byte offsets below 2^53", Array.isArray(offsets) ? offsets.join(", ") : offsets);
  const [begin, end] = offsets as [number, number];
  if (end < begin) return refuse("data_offsets: expected the end not before the beginning", offsets.join(", "));
  if (Object.hasOwn(ELEMENT_BYTES, dtype)) {
    const bytes = shape.reduce((product: number, size: number) => product * size, ELEMENT_BYTES[dtype]);
    if (bytes !== end - begin) return refuse(`expected ${bytes} bytes for ${dtype} of shape [${shape.join(", ")}]`, end - begin);
  }
  return { name, dtype, shape, begin, end };
}

function inOrder(tensors: readonly StoredTensor[], file: string): StoredTensor[] {
  const sorted = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  let before = "the beginning of the data";
  for (const { name, begin, end } of sorted) {
    if (begin !== at) {
      throw new KvasmError("weights", `${file}: ${shown(name)}: data_offsets: begins at ${begin}, ${begin < at ? `within ${before}, which ends` : `with a gap after ${before},`} at ${at}. The header is damaged.`, { argument: name, value: begin });
    }
    at = end;
    before = shown(name);
  }
  return sorted;
}

function checkExtent(sorted: StoredTensor[], file: string, headerBytes: number, size: number | undefined): number {
  const dataBytes = sorted[sorted.length - 1].end;
  const whole = 8 + headerBytes + dataBytes;
  if (!Number.isSafeInteger(whole)) fail(file, "describes more than 2^53 bytes", whole);
  if (size !== undefined && size !== whole) {
    fail(file, `has ${size} bytes and describes ${whole}. ${size < whole ? "It is cut off: download it again" : "Something is appended to it, or it is damaged"}`, size);
  }
  return dataBytes;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function fail(file: string, message: string, value: unknown): never {
  throw new KvasmError("weights", `${file}: ${message}.`, { argument: file, value });
}
