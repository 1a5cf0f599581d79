import { addVectors } from "./rows";

/** out[width] = output `id` of f32 panels wte[panels of vocab][width][16]: a token is a column of a panel. */
export function unpackOutput(out: usize, wte: usize, width: usize, id: usize): void {
  let column = wte + (id >> 4) * (width << 6) + ((id & 15) << 2);
  const end = out + (width << 2);
  for (; out < end; out += 4, column += 64) store<f32>(out, load<f32>(column));
}

/** row[width] += position[width]; the padding up to `bytes` is set to +0. */
export function addPosition(row: usize, bytes: usize, position: usize, width: usize): void {
  addVectors(row, row, position, width);
  const end = width << 2;
  memory.fill(row + end, 0, bytes - end);
}
