/** Checkpoints changed on purpose, for negative controls and for errors. */
import { safetensors } from "./checkpoint.ts";

type Files = Record<string, Uint8Array<ArrayBuffer>>;

export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array<ArrayBuffer>;
}

const text = new TextDecoder();

export function withConfig(files: Files, change: Record<string, unknown>): Files {
  const config = { ...JSON.parse(text.decode(files["config.json"])), ...change };
  return { ...files, "config.json": new TextEncoder().encode(JSON.stringify(config)) };
}

/** The tensors of a safetensors file as raw bytes. */
export function tensorsOf(file: Uint8Array<ArrayBuffer>): Map<string, RawTensor> {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(text.decode(file.subarray(8, 8 + length)));
  delete header.__metadata__;
  return new Map(Object.entries<any>(header).map(([name, { dtype, shape, data_offsets: [first, end] }]) => {
    return [name, { dtype, shape, bytes: file.slice(8 + length + first, 8 + length + end) }];
  }));
}

export function safetensorsOf(tensors: ReadonlyMap<string, RawTensor>): Uint8Array<ArrayBuffer> {
  return safetensors([...tensors].map(([name, { dtype, shape, bytes }]) => ({ name, dtype, shape, data: bytes })));
}

/** With `edit` applied to the tensors of model.safetensors. */
export function withTensors(files: Files, edit: (tensors: Map<string, RawTensor>) => void): Files {
  const tensors = tensorsOf(files["model.safetensors"]);
  edit(tensors);
  return { ...files, "model.safetensors": safetensorsOf(tensors) };
}

/** The same numbers as [columns][rows]. */
export function transposed({ dtype, shape: [rows, columns], bytes }: RawTensor): RawTensor {
  const size = bytes.length / (rows * columns);
  const result = new Uint8Array(bytes.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const from = (r * columns + c) * size;
      result.set(bytes.subarray(from, from + size), (c * rows + r) * size);
    }
  }
  return { dtype, shape: [columns, rows], bytes: result };
}
