/** Zip archives with everything as one wants it, also wrong. Written without a look at the reader. */

export interface ZipFile {
  name: string;
  data: Uint8Array;
  method?: number;
  /** Of the header: 8 puts length and checksum behind the data. */
  flags?: number;
  checksum?: number;
}

export interface ZipOptions {
  /** Lengths and offsets in 64 bits, wherever the format has a place for them. */
  wide?: boolean;
  comment?: string;
  /** Changes what the directory says of a file. */
  listed?: (file: ZipFile, offset: number) => { name?: string; size?: number; checksum?: number; offset?: number };
  /** Of the directory's entries, those that are written. */
  entries?: number;
}

export function crc(bytes: Uint8Array): number {
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

type Field = readonly [bytes: 2 | 4 | 8, value: number];

function packed(...fields: Field[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const EVERYTHING = 0xffffffff;

export function zipOf(files: readonly ZipFile[], { wide = false, comment = "", listed, entries = files.length }: ZipOptions = {}): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder();
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (part: Uint8Array) => {
    parts.push(part);
    at += part.length;
  };
  for (const file of files) {
    const { data, method = 0, flags = 0, checksum = crc(data) } = file;
    const name = text.encode(file.name);
    const offset = at;
    const isBehind = (flags & 8) !== 0;
    const extra = wide && !isBehind ? packed([2, 1], [2, 16], [8, data.length], [8, data.length]) : new Uint8Array(0);
    const narrow = wide && !isBehind ? EVERYTHING : data.length;
    const [sum, size] = isBehind ? [0, 0] : [checksum, narrow];
    add(packed([4, 0x04034b50], [2, 45], [2, flags], [2, method], [2, 0], [2, 0], [4, sum], [4, size], [4, size], [2, name.length], [2, extra.length]));
    add(name);
    add(extra);
    add(data);
    if (isBehind) add(packed([4, 0x08074b50], [4, checksum], [wide ? 8 : 4, data.length], [wide ? 8 : 4, data.length]));
    const said = { name: file.name, size: data.length, checksum, offset, ...listed?.(file, offset) };
    const saidName = text.encode(said.name);
    const saidExtra = wide ? packed([2, 99], [2, 2], [2, 0], [2, 1], [2, 24], [8, said.size], [8, said.size], [8, said.offset]) : new Uint8Array(0);
    const [saidSize, saidOffset] = wide ? [EVERYTHING, EVERYTHING] : [said.size, said.offset];
    directory.push(packed(
      [4, 0x02014b50], [2, 45], [2, 45], [2, flags], [2, method], [2, 0], [2, 0], [4, said.checksum], [4, saidSize], [4, saidSize], [2, saidName.length],
      [2, saidExtra.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, saidOffset],
    ), saidName, saidExtra);
  }
  const begin = at;
  for (const part of directory.slice(0, 3 * entries)) add(part);
  const size = at - begin;
  if (wide) {
    const end = at;
    add(packed([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, entries], [8, entries], [8, size], [8, begin]));
    add(packed([4, 0x07064b50], [4, 0], [8, end], [4, 1]));
  }
  const [count, most] = wide ? [0xffff, EVERYTHING] : [entries, undefined];
  add(packed([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, most ?? size], [4, most ?? begin], [2, comment.length]));
  add(text.encode(comment));
  return joined(parts);
}
