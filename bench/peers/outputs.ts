import { elements, fillRandom, type RandomTensor } from "../../bindings/bench/random-model.ts";

/** A layer's matrix, which Conv1D has as [inputs, outputs]; the embeddings already lie as rows of outputs. */
export function isConv1D({ name, shape }: RandomTensor): boolean {
  return shape.length === 2 && name.startsWith("h.");
}

/** A matrix of the random model as f32[outputs][inputs]. */
export function outputRows(tensor: RandomTensor, seed: number): { values: Float32Array<ArrayBuffer>; outputs: number; inputs: number } {
  const values = new Float32Array(elements(tensor.shape));
  fillRandom(values, seed, tensor);
  const [rows, columns] = tensor.shape as [number, number];
  return isConv1D(tensor) ? { values: transposed(values, rows, columns), outputs: columns, inputs: rows } : { values, outputs: rows, inputs: columns };
}

/** x[rows][columns] as y[columns][rows]. */
export function transposed<T extends Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer>>(x: T, rows: number, columns: number): T {
  const y = x.slice() as T;
  const block = 32; // small enough for the first-level cache
  for (let r0 = 0; r0 < rows; r0 += block) {
    for (let c0 = 0; c0 < columns; c0 += block) {
      for (let r = r0; r < Math.min(r0 + block, rows); r++) {
        for (let c = c0; c < Math.min(c0 + block, columns); c++) y[c * rows + r] = x[r * columns + c]!;
      }
    }
  }
  return y;
}
