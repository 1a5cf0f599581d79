import type { Forward } from "./forward.ts";

// The zip format as far as archives need it in which nothing is compressed. All numbers are little-endian.

export const LOCAL = 0x04034b50;
export const CENTRAL = 0x02014b50;
export const DESCRIPTOR = 0x08074b50;
/** "PK", with which everything begins. */
const PK = 0x4b50;
/** In place of a number that stands, in 64 bits, in the extra fields. */
const ELSEWHERE = 0xffffffff;
const ZIP64 = 1;

/** A file of the archive, as it was found. */
export interface ZipRecord {
  readonly name: string;
  /** Where its header begins. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** As it is written. */
  readonly checksum: number;
}

export interface LocalHeader {
  readonly name: string;
  readonly offset: number;
  readonly method: number;
  readonly isEncrypted: boolean;
  /** undefined: it stands behind the bytes, and the checksum with it. */
  readonly size: number | undefined;
  readonly checksum: number;
}

/** Takes the header that comes next; null: what comes is none. */
export async function localHeader(forward: Forward): Promise<LocalHeader | null> {
  const offset = forward.position;
  const view = viewOf(await forward.take(30));
  const flags = view.getUint16(6, true);
  const method = view.getUint16(8, true);
  const checksum = view.getUint32(14, true);
  const stored = view.getUint32(18, true);
  const size = view.getUint32(22, true);
  const nameBytes = view.getUint16(26, true);
  const extraBytes = view.getUint16(28, true);
  if (view.getUint32(0, true) !== LOCAL || stored !== size) return null;
  const rest = await forward.take(nameBytes + extraBytes);
  const name = textOf(rest.subarray(0, nameBytes));
  const isBehind = (flags & 8) !== 0;
  const [whole] = widened(viewOf(rest.subarray(nameBytes)), [size]);
  return { name, offset, method, isEncrypted: (flags & 1) !== 0, size: isBehind ? undefined : whole, checksum };
}

/** An entry of the directory. */
export interface CentralEntry extends ZipRecord {
  readonly method: number;
}

/** Takes the entry of the directory that comes next. */
export async function centralEntry(forward: Forward): Promise<CentralEntry> {
  const view = viewOf(await forward.take(46));
  const method = view.getUint16(10, true);
  const checksum = view.getUint32(16, true);
  const sizes = [view.getUint32(24, true), view.getUint32(20, true), view.getUint32(42, true)];
  const nameBytes = view.getUint16(28, true);
  const extraBytes = view.getUint16(30, true);
  const rest = await forward.take(nameBytes + extraBytes + view.getUint16(32, true));
  const name = textOf(rest.subarray(0, nameBytes));
  const [size, stored, offset] = widened(viewOf(rest.subarray(nameBytes, nameBytes + extraBytes)), sizes);
  return { name, method, checksum, size: size === stored ? size : NaN, offset };
}

/**
 * How many bytes each of the two lengths has that stand at `at`, behind the bytes of a file: 4, or 8 in large archives; null: they are
 * not `size`. The next thing begins behind them.
 */
export function descriptorWidth(view: DataView, at: number, size: number): 4 | 8 | null {
  const is = (where: number, value: number): boolean => where + 4 <= view.byteLength && view.getUint32(where, true) === value;
  const beginsAt = (where: number): boolean => where + 2 <= view.byteLength && view.getUint16(where, true) === PK;
  const low = size % 2 ** 32;
  const high = Math.floor(size / 2 ** 32);
  if (high === 0 && is(at, low) && is(at + 4, low) && beginsAt(at + 8)) return 4;
  return is(at, low) && is(at + 4, high) && is(at + 8, low) && is(at + 12, high) && beginsAt(at + 16) ? 8 : null;
}

/** The numbers that stand for themselves, and of the others what the extra fields say; NaN where they say nothing. */
function widened(extra: DataView, numbers: readonly number[]): number[] {
  for (let at = 0; at + 4 <= extra.byteLength;) {
    const length = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === ZIP64) {
      let next = at + 4;
      const end = Math.min(next + length, extra.byteLength);
      return numbers.map((number) => {
        if (number !== ELSEWHERE) return number;
        next += 8;
        return next <= end ? Number(extra.getBigUint64(next - 8, true)) : NaN;
      });
    }
    at += 4 + length;
  }
  return numbers.map((number) => number === ELSEWHERE ? NaN : number);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.slice()); // a copy: browsers do not decode shared memory
}
