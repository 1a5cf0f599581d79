/**
 * A blob in a browser is a folder of parts, each named by the bytes it has, BEGIN-END: so what is downloaded lies where it stays, and
 * nothing is copied when it is whole.
 * ```
 * blobs/HEX/intent         what is going to be downloaded
 * blobs/HEX/0-1048576      bytes of it
 * blobs/HEX/whole          all bytes are there, and were compared with the digest
 * ```
 * A part counts if it has as many bytes as its name says: one that a page did not write to its end has fewer.
 */
import { KvasmError } from "../../errors.ts";
import { merged } from "../ranges.ts";
import type { ByteRange, HubFile, PartialBlob } from "../store.ts";
import type { Shelf } from "./shelf.ts";

export const INTENT = "intent";
export const WHOLE = "whole";

/** Bytes of a part. Of what a tab had when it was closed, as many may be missing for each request. */
const PART = 1 << 20;

const encode = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;

/** The parts that are there, ascending; of two with the same bytes, the longer one. */
export async function partsOf(shelf: Shelf, folder: string, size: number): Promise<ByteRange[]> {
  const parts: ByteRange[] = [];
  for (const { path, size: bytes } of await shelf.all(folder)) {
    const match = /^(\d{1,15})-(\d{1,15})$/.exec(path);
    if (match === null) continue;
    const [begin, end] = [Number(match[1]), Number(match[2])];
    if (bytes === end - begin && bytes > 0 && end <= size) parts.push({ begin, end });
  }
  return parts.sort((a, b) => a.begin - b.begin || b.end - a.end);
}

/** Whether a blob is there, with all of its parts. */
export async function isWhole(shelf: Shelf, folder: string, file: Pick<HubFile, "size">): Promise<boolean> {
  if (!await isMarked(shelf, `${folder}/${WHOLE}`, file)) return false;
  const [first, ...more] = merged(await partsOf(shelf, folder, file.size));
  return file.size === 0 || (first?.begin === 0 && first.end === file.size && more.length === 0);
}

async function isMarked(shelf: Shelf, path: string, { size }: Pick<HubFile, "size">): Promise<boolean> {
  try {
    const mark = JSON.parse(await (await shelf.get(path))?.text() ?? "") as { kvasm?: unknown; size?: unknown };
    return mark.kvasm === 1 && mark.size === size;
  } catch {
    return false; // none, or not written to its end
  }
}

/** Bytes of [begin, end), part after part. */
export async function* bytesOf(shelf: Shelf, folder: string, parts: readonly ByteRange[], begin: number, end: number): AsyncGenerator<Blob> {
  let at = begin;
  for (const part of parts) {
    if (part.end <= at) continue;
    if (part.begin > at || at >= end) break;
    const blob = await shelf.get(`${folder}/${part.begin}-${part.end}`);
    if (blob === undefined || blob.size !== part.end - part.begin) break;
    const to = Math.min(part.end, end);
    yield blob.slice(at - part.begin, to - part.begin);
    at = to;
  }
  if (at < end) throw new KvasmError("source", `${folder}: byte ${at} is gone from ${shelf.description}, which something else has cleared. Load the model again.`, { argument: "source" });
}

/** Writes down what is going to be downloaded, or finds what was. */
export async function openParts(shelf: Shelf, folder: string, file: HubFile): Promise<PartialBlob> {
  const isBegun = await isMarked(shelf, `${folder}/${INTENT}`, file);
  if (!isBegun) {
    await shelf.remove(folder);
    await shelf.put(`${folder}/${INTENT}`, encode({ kvasm: 1, size: file.size, [file.digest.kind]: file.digest.hex, path: file.path }));
  }
  return new Parts(shelf, folder, file, isBegun ? await partsOf(shelf, folder, file.size) : []);
}

/** What came and is not yet a part. */
interface Gathering {
  readonly begin: number;
  end: number;
  readonly pieces: Uint8Array[];
}

class Parts implements PartialBlob {
  readonly #shelf: Shelf;
  readonly #folder: string;
  readonly #file: HubFile;
  #parts: ByteRange[];
  #ranges: readonly ByteRange[];
  /** By where the next bytes of each would be. */
  readonly #gathering = new Map<number, Gathering>();
  #isOpen = true;

  constructor(shelf: Shelf, folder: string, file: HubFile, parts: ByteRange[]) {
    this.#shelf = shelf;
    this.#folder = folder;
    this.#file = file;
    this.#parts = parts;
    this.#ranges = merged(parts);
  }

  get ranges(): readonly ByteRange[] {
    return this.#ranges;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const gathering = this.#gathering.get(offset) ?? { begin: offset, end: offset, pieces: [] };
    this.#gathering.delete(offset);
    gathering.pieces.push(bytes.slice());
    gathering.end += bytes.length;
    if (gathering.end - gathering.begin < PART && gathering.end < this.#file.size) this.#gathering.set(gathering.end, gathering);
    else await this.#keep(gathering);
    this.#ranges = merged([...this.#ranges, { begin: offset, end: offset + bytes.length }]);
  }

  async #keep({ begin, end, pieces }: Gathering): Promise<void> {
    const bytes = new Uint8Array(end - begin);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    await this.#shelf.put(`${this.#folder}/${begin}-${end}`, bytes);
    this.#parts = [...this.#parts, { begin, end }].sort((a, b) => a.begin - b.begin || b.end - a.end);
  }

  async #keepAll(): Promise<void> {
    const all = [...this.#gathering.values()];
    this.#gathering.clear();
    for (const gathering of all) await this.#keep(gathering);
  }

  async read(begin: number, end: number): Promise<Uint8Array> {
    await this.#keepAll();
    const bytes = new Uint8Array(end - begin);
    let at = 0;
    for await (const blob of bytesOf(this.#shelf, this.#folder, this.#parts, begin, end)) {
      bytes.set(new Uint8Array(await blob.arrayBuffer()), at);
      at += blob.size;
    }
    return bytes;
  }

  async commit(): Promise<void> {
    await this.#keepAll();
    this.#isOpen = false;
    await this.#shelf.put(`${this.#folder}/${WHOLE}`, encode({ kvasm: 1, size: this.#file.size }));
    await this.#shelf.remove(`${this.#folder}/${INTENT}`);
  }

  async discard(): Promise<void> {
    this.#isOpen = false;
    this.#gathering.clear();
    await this.#shelf.remove(this.#folder);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#keepAll().catch(() => {}); // no space: then it is downloaded again
  }
}
