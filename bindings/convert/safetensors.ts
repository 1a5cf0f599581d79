import { INDEX_NAME } from "../weights/shards.ts";
import type { OutGroup, OutTensor } from "./tensors.ts";

/** Bytes of one piece of a file. */
const PIECE = 1 << 20;

export interface OutFile {
  readonly name: string;
  readonly size: number;
  /** Pieces of about a MiB, each valid until the next. */
  data(): Iterable<Uint8Array>;
}

const FLOATS_FIRST = ["F32", "F16", "I8", "U8"];

/**
 * The file, or the files and their index, that hold the tensors. Within a file wide types come first, so that everything is aligned
 * and scales come before the integers that they belong to.
 * @param shardBytes most bytes of a file, unless one matrix has more
 */
export function safetensorsFiles(groups: readonly OutGroup[], metadata: Readonly<Record<string, string>>, shardBytes: number): OutFile[] {
  const shards = inShards(groups, shardBytes);
  if (shards.length === 1) return [safetensorsFile("model.safetensors", shards[0], metadata)];
  const total = String(shards.length).padStart(5, "0");
  const nameOf = (index: number): string => `model-${String(index + 1).padStart(5, "0")}-of-${total}.safetensors`;
  const files = shards.map((tensors, i) => safetensorsFile(nameOf(i), tensors, metadata));
  const weight_map = Object.fromEntries(shards.flatMap((tensors, i) => tensors.map(({ name }) => [name, nameOf(i)])));
  const total_size = shards.flat().reduce((sum, { bytes }) => sum + bytes, 0);
  const index = new TextEncoder().encode(JSON.stringify({ metadata: { total_size }, weight_map }, null, 2) + "\n");
  return [...files, { name: INDEX_NAME, size: index.length, data: () => [index] }];
}

/** A header has about a hundred bytes a tensor. */
const HEADER_PART = 160;

function inShards(groups: readonly OutGroup[], shardBytes: number): OutTensor[][] {
  const shards: OutTensor[][] = [[]];
  let filled = 0;
  for (const group of groups) {
    const bytes = group.reduce((sum, tensor) => sum + tensor.bytes + HEADER_PART, 0);
    if (filled > 0 && filled + bytes + HEADER_PART > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards[shards.length - 1].push(...group);
    filled += bytes;
  }
  return shards;
}

function safetensorsFile(name: string, unordered: readonly OutTensor[], metadata: Readonly<Record<string, string>>): OutFile {
  const tensors = [...unordered].sort((a, b) => FLOATS_FIRST.indexOf(a.dtype) - FLOATS_FIRST.indexOf(b.dtype)); // stable
  let at = 0;
  const table = Object.fromEntries(tensors.map(({ name, dtype, shape, bytes }) => [name, { dtype, shape, data_offsets: [at, (at += bytes)] }]));
  const json = JSON.stringify({ __metadata__: metadata, ...table });
  const length = Math.ceil(new TextEncoder().encode(json).length / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  new TextEncoder().encodeInto(json, header.subarray(8));
  return {
    name,
    size: header.length + at,
    *data() {
      yield header;
      yield* pieces(tensors);
    },
  };
}

/** Rows are short: they are gathered into pieces. */
function* pieces(tensors: readonly OutTensor[]): Generator<Uint8Array> {
  const piece = new Uint8Array(PIECE);
  let filled = 0;
  for (const tensor of tensors) {
    for (const row of tensor.data()) {
      for (let from = 0; from < row.length;) {
        const count = Math.min(row.length - from, PIECE - filled);
        piece.set(row.subarray(from, from + count), filled);
        from += count;
        filled += count;
        if (filled === PIECE) {
          yield piece;
          filled = 0;
        }
      }
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
