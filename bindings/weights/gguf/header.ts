import { KvasmError, shown } from "../../errors.ts";
import type { ByteReader } from "../../files/bytes.ts";
import { weightsLookalikeOf } from "../../files/lookalike.ts";
import { Cursor } from "./cursor.ts";
import { DEFAULT_ALIGNMENT, MAGIC, OTHER_TYPES, TENSOR_TYPES, VALUE_BYTES, ValueType } from "./format.ts";
import type { TensorType } from "./format.ts";

// Own code rather than @huggingface/gguf 0.4.6: that asks an address for pieces of 2 MB, keeps all of them in one buffer, takes zeros
// for what lies beyond a file's end, checks neither offsets, alignment nor duplicates, and brings a package of 5.6 MB along. Here the
// bytes come from a stream that the tensors' data follow in.

/** null: a string that is not UTF-8. */
export type Value = number | bigint | boolean | string | null | readonly (string | null)[] | readonly number[];

/** One tensor of a file. */
export interface GgufTensor {
  readonly name: string;
  /** As ggml counts: the first dimension is the one whose elements lie side by side. */
  readonly dimensions: readonly number[];
  readonly type: TensorType;
  /** Bytes from the beginning of the data. */
  readonly begin: number;
  readonly end: number;
}

export interface GgufHeader {
  /** Without arrays, but for those that were asked for. */
  readonly metadata: ReadonlyMap<string, Value>;
  /** In the order of their data. */
  readonly tensors: readonly GgufTensor[];
  /** Bytes between the header's end and the beginning of the data. */
  readonly padding: number;
  /** Bytes that may follow the last tensor, to fill a whole unit. */
  readonly trailing: number;
}

/** No GPT-2 comes near any of these; they keep a damaged header from taking memory or time. */
const MOST_HEADER_BYTES = 256 << 20;
const MOST_VALUES = 65536;
const MOST_TENSORS = 65536;
const MOST_NAME_BYTES = 65535;
const MOST_STRING_BYTES = 1 << 24;
const MOST_KEPT = 1 << 21;
const MOST_ALIGNMENT = 1 << 20;
const MOST_DIMENSIONS = 4;
const MOST_NESTING = 16;

/**
 * Reads and checks a header; the reader then stands behind it, before the padding.
 * @param kept keys whose arrays are wanted, of strings or integers
 * @throws KvasmError `weights`, `unsupported`, `source`
 */
export async function readGgufHeader(reader: ByteReader, file: string, kept: ReadonlySet<string>): Promise<GgufHeader> {
  return new HeaderReader(reader, file, kept).read();
}

class HeaderReader {
  readonly #reader: ByteReader;
  readonly #cursor: Cursor;
  readonly #file: string;
  readonly #kept: ReadonlySet<string>;

  constructor(reader: ByteReader, file: string, kept: ReadonlySet<string>) {
    this.#reader = reader;
    this.#cursor = new Cursor(reader, file);
    this.#file = file;
    this.#kept = kept;
  }

  async read(): Promise<GgufHeader> {
    const cursor = this.#cursor;
    await this.#checkStart();
    await cursor.need(16);
    const tensorCount = this.#count("tensor count", MOST_TENSORS);
    const valueCount = this.#count("metadata count", MOST_VALUES);
    if (tensorCount === 0) this.#fail("has no tensors. It holds a vocabulary only, or is damaged", 0);

    const metadata = new Map<string, Value>();
    const keys = new Set<string>();
    for (let i = 0; i < valueCount; i++) {
      const key = await this.#string(MOST_NAME_BYTES, `the name of metadata value ${i}`) ?? `(value ${i}, whose name is not UTF-8)`;
      if (keys.has(key)) this.#fail(`${shown(key)} occurs twice in the metadata`, key, key);
      keys.add(key);
      const value = await this.#value(key);
      if (value !== undefined) metadata.set(key, value);
    }

    const alignment = this.#alignment(metadata.get("general.alignment"));
    const tensors: GgufTensor[] = [];
    const names = new Set<string>();
    for (let i = 0; i < tensorCount; i++) {
      const tensor = await this.#tensor(i);
      if (names.has(tensor.name)) this.#fail(`the tensor ${shown(tensor.name)} occurs twice`, tensor.name, tensor.name);
      names.add(tensor.name);
      tensors.push(tensor);
    }
    const headerBytes = cursor.position;
    cursor.finish();
    const padding = padded(headerBytes, alignment) - headerBytes;
    const sorted = this.#inOrder(tensors, alignment);
    return { metadata, tensors: sorted, padding, trailing: this.#checkExtent(sorted, headerBytes + padding, alignment) };
  }

  async #checkStart(): Promise<void> {
    const start = (await this.#reader.take(8)).slice();
    const text = String.fromCharCode(...start);
    if (start.length < 8 || !text.startsWith(MAGIC)) {
      this.#fail(`is no GGUF file${text.startsWith(MAGIC) ? "" : await weightsLookalikeOf(text, this.#reader)} (it begins with ${shown(text)})`, text);
    }
    const version = new DataView(start.buffer).getUint32(4, true);
    if (version === 2 || version === 3) return;
    const bigEndian = version !== 0 && (version & 0xffff) === 0;
    const cure = bigEndian ? "It was written for big-endian machines. Convert it anew without that option" : "Convert the model anew with a current llama.cpp";
    throw new KvasmError("unsupported", `${this.#file}: has version ${bigEndian ? version >>> 24 : version} of GGUF${bigEndian ? ", big-endian" : ""}; kvasm reads 2 and 3. ${cure}.`, { argument: this.#file, value: version });
  }

  #count(what: string, most: number): number {
    const count = this.#cursor.u64();
    return count <= most ? Number(count) : this.#fail(`${what}: expected at most ${most}, got ${count}. The header is damaged`, count);
  }

  /** null: it is not UTF-8. */
  async #string(most: number, what: string): Promise<string | null> {
    await this.#cursor.need(8);
    const length = this.#length(most, what);
    await this.#cursor.need(length);
    return this.#cursor.string(length);
  }

  #length(most: number, what: string): number {
    const length = this.#cursor.u64();
    if (length > most) this.#fail(`${what}: expected at most ${most} bytes, got ${length}. The header is damaged`, length);
    this.#checkRoom(Number(length), what);
    return Number(length);
  }

  /** Refuses what the file, or any header, cannot hold before it is waited for. */
  #checkRoom(bytes: number, what: string): void {
    const end = this.#cursor.position + bytes;
    const { size } = this.#reader;
    if (size !== undefined && end > size) this.#fail(`${what}: needs ${bytes} bytes, and the file has ${size} in all. It is cut off or damaged`, bytes);
    if (end > MOST_HEADER_BYTES) this.#fail(`${what}: the header has more than ${MOST_HEADER_BYTES} bytes, more than one can need`, end);
  }

  /** undefined: an array that was left out. */
  async #value(key: string): Promise<Value | undefined> {
    await this.#cursor.need(4);
    const type = this.#cursor.u32();
    if (type === ValueType.string) return this.#string(MOST_STRING_BYTES, shown(key));
    if (type === ValueType.array) return this.#array(key);
    if (type >= VALUE_BYTES.length) this.#fail(`${shown(key)}: expected a type from 0 to ${VALUE_BYTES.length - 1}, got ${type}. The header is damaged`, type, key);
    await this.#cursor.need(VALUE_BYTES[type]);
    return this.#scalar(type, key);
  }

  #scalar(type: number, key: string): number | bigint | boolean {
    const { view, offset } = this.#cursor.take(VALUE_BYTES[type]);
    switch (type) {
      case ValueType.u8: return view.getUint8(offset);
      case ValueType.i8: return view.getInt8(offset);
      case ValueType.u16: return view.getUint16(offset, true);
      case ValueType.i16: return view.getInt16(offset, true);
      case ValueType.u32: return view.getUint32(offset, true);
      case ValueType.i32: return view.getInt32(offset, true);
      case ValueType.f32: return view.getFloat32(offset, true);
      case ValueType.f64: return view.getFloat64(offset, true);
      case ValueType.u64: return exact(view.getBigUint64(offset, true));
      case ValueType.i64: return exact(view.getBigInt64(offset, true));
      default: {
        const value = view.getUint8(offset);
        return value <= 1 ? value === 1 : this.#fail(`${shown(key)}: expected a boolean, 0 or 1, got ${value}. The header is damaged`, value, key);
      }
    }
  }

  async #array(key: string, depth = 0): Promise<Value | undefined> {
    const cursor = this.#cursor;
    await cursor.need(12);
    const type = cursor.u32();
    const length = cursor.u64();
    const isNested = type === ValueType.array;
    if (type >= VALUE_BYTES.length || (isNested && (this.#kept.has(key) || depth === MOST_NESTING))) {
      this.#fail(`${shown(key)}: expected an array of numbers or strings, got one of ${isNested ? "arrays" : `type ${type}`}. The header is damaged`, type, key);
    }
    const least = BigInt(isNested ? 12 : VALUE_BYTES[type] || 8); // an array has at least its type and length, a string its length
    if (length * least > MOST_HEADER_BYTES) this.#fail(`${shown(key)}: expected at most ${MOST_HEADER_BYTES} bytes, got an array of ${length}. The header is damaged`, length, key);
    const count = Number(length);
    this.#checkRoom(count * Number(least), shown(key));
    const keep = this.#kept.has(key);
    if (keep && count > MOST_KEPT) this.#fail(`${shown(key)}: expected at most ${MOST_KEPT} entries, got ${count}`, count, key);

    if (isNested) {
      for (let i = 0; i < count; i++) await this.#array(key, depth + 1);
      return undefined;
    }
    if (type === ValueType.string) {
      const what = `a string of ${shown(key)}`;
      const strings: (string | null)[] = [];
      for (let i = 0; i < count; i++) {
        let wait = cursor.need(8);
        if (wait !== undefined) await wait;
        const bytes = this.#length(MOST_STRING_BYTES, what);
        wait = cursor.need(bytes);
        if (wait !== undefined) await wait;
        if (keep) strings.push(cursor.string(bytes));
        else cursor.take(bytes);
      }
      return keep ? strings : undefined;
    }
    if (!keep) {
      await cursor.skip(count * VALUE_BYTES[type]);
      return undefined;
    }
    const numbers: number[] = [];
    for (let i = 0; i < count; i++) {
      const wait = cursor.need(VALUE_BYTES[type]);
      if (wait !== undefined) await wait;
      numbers.push(Number(this.#scalar(type, key)));
    }
    return numbers;
  }

  async #tensor(index: number): Promise<GgufTensor> {
    const cursor = this.#cursor;
    const what = `the name of tensor ${index}`;
    const name = await this.#string(MOST_NAME_BYTES, what) ?? this.#fail(`${what} is not UTF-8. The header is damaged`, index);
    await cursor.need(4);
    const rank = cursor.u32();
    if (rank < 1 || rank > MOST_DIMENSIONS) this.#fail(`${shown(name)}: expected 1 to ${MOST_DIMENSIONS} dimensions, got ${rank}. The header is damaged`, rank, name);
    await cursor.need(8 * rank + 12);
    const dimensions: number[] = [];
    let elements = 1;
    for (let i = 0; i < rank; i++) {
      const size = exact(cursor.u64());
      elements *= Number(size);
      if (size === 0 || !Number.isSafeInteger(elements)) this.#fail(`${shown(name)}: expected dimensions from 1, of at most 2^53 elements together, got ${[...dimensions, size].join(" × ")}. The header is damaged`, size, name);
      dimensions.push(Number(size));
    }
    const typeId = cursor.u32();
    const begin = exact(cursor.u64());
    if (typeof begin === "bigint") return this.#fail(`${shown(name)}: expected an offset below 2^53, got ${begin}. The header is damaged`, begin, name);
    const type = TENSOR_TYPES.get(typeId);
    if (type === undefined) {
      const title = OTHER_TYPES[typeId];
      if (title === undefined) return this.#fail(`${shown(name)}: expected a tensor type of ggml, got ${typeId}. The header is damaged, or newer than kvasm`, typeId, name);
      const known = [...TENSOR_TYPES.values()].map((one) => one.name).join(", ");
      throw new KvasmError("unsupported", `${this.#file}: ${shown(name)} has type ${title}; kvasm reads ${known}. Take a file in one of these.`, { argument: name, value: title });
    }
    if (dimensions[0] % type.elements !== 0) this.#fail(`${shown(name)}: expected rows of a multiple of ${type.elements} elements for ${type.name}, got ${dimensions[0]}. The header is damaged`, dimensions[0], name);
    const end = begin + (elements / type.elements) * type.bytes;
    if (!Number.isSafeInteger(end)) this.#fail(`${shown(name)}: ends beyond 2^53 bytes. The header is damaged`, end, name);
    return { name, dimensions, type, begin, end };
  }

  #alignment(value: Value | undefined): number {
    if (value === undefined) return DEFAULT_ALIGNMENT;
    const fine = typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MOST_ALIGNMENT && (value & (value - 1)) === 0;
    return fine ? value : this.#fail(`general.alignment: expected a power of two up to ${MOST_ALIGNMENT}, got ${shown(value)}. The header is damaged`, value, "general.alignment");
  }

  /** As llama.cpp asks: one tensor after another, each at the next multiple of the alignment. */
  #inOrder(tensors: readonly GgufTensor[], alignment: number): GgufTensor[] {
    const sorted = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
    let at = 0;
    let before = "the beginning of the data";
    for (const { name, begin, end } of sorted) {
      if (begin !== at) {
        const how = begin % alignment !== 0 ? `at no multiple of the alignment, ${alignment},` : begin < at ? `within ${before}, whose place ends` : `with a gap after ${before}, whose place ends`;
        this.#fail(`${shown(name)}: begins at ${begin}, ${how} at ${at}. The header is damaged`, begin, name);
      }
      at = padded(end, alignment);
      before = shown(name);
    }
    return sorted;
  }

  #checkExtent(sorted: readonly GgufTensor[], dataBegin: number, alignment: number): number {
    const end = sorted[sorted.length - 1].end;
    const least = dataBegin + end;
    const most = dataBegin + padded(end, alignment);
    if (!Number.isSafeInteger(most)) this.#fail("describes more than 2^53 bytes", most);
    const { size } = this.#reader;
    if (size !== undefined && (size < least || size > most)) {
      this.#fail(`has ${size} bytes and describes ${least}. ${size < least ? "It is cut off: download it again" : "Something is appended to it, or it is damaged"}`, size);
    }
    return most - least;
  }

  #fail(message: string, value: unknown, argument = this.#file): never {
    throw new KvasmError("weights", `${this.#file}: ${message}.`, { argument, value });
  }
}

/** The next multiple of a power of two; numbers up to 2⁵³. */
function padded(at: number, alignment: number): number {
  return Math.ceil(at / alignment) * alignment;
}

function exact(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
