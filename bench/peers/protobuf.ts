/** Just enough of Protocol Buffers to write an ONNX file. A message is a list of parts; the weights' parts are made only when written. */
export type Part = Uint8Array | Lazy;

export interface Lazy {
  readonly length: number;
  /** Fills `out`, which has `length` bytes. */
  readonly write: (out: Uint8Array) => void;
}

const text = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(left & 127n);
    left >>= 7n;
    bytes.push(left ? low | 128 : low);
  } while (left);
  return Uint8Array.from(bytes);
}

const tag = (field: number, wireType: number): Uint8Array => varint(field << 3 | wireType);

export const sizeOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.length, 0);
export const integer = (field: number, value: number | bigint): Part[] => [tag(field, 0), varint(value)];
export const bytes = (field: number, value: Part): Part[] => [tag(field, 2), varint(value.length), value];
export const string = (field: number, value: string): Part[] => bytes(field, text.encode(value));
export const message = (field: number, parts: readonly Part[]): Part[] => [tag(field, 2), varint(sizeOf(parts)), ...parts];

export function float(field: number, value: number): Part[] {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setFloat32(0, value, true);
  return [tag(field, 5), out];
}

export function written(parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(sizeOf(parts));
  let at = 0;
  for (const part of parts) {
    if (part instanceof Uint8Array) out.set(part, at);
    else part.write(out.subarray(at, at + part.length));
    at += part.length;
  }
  return out;
}
