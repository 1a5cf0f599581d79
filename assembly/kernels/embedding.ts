import { addVectors } from "./rows";

/**
 * out[0 … width−1] = wte[id] + position; the padding up to `bytes` is set to +0.
 *   wte       f32[panels][width][16]: a token is a column of a panel (the same bytes are the head)
 *   position  f32[width]
 */
export function embedRow(out: usize, bytes: usize, wte: usize, id: usize, position: usize, width: usize): void {
  let column = wte + (id >> 4) * (width << 6) + ((id & 15) << 2);
  const end = width << 2;
  for (let i: usize = 0; i < end; i += 4, column += 64) store<f32>(out + i, load<f32>(column));
  addVectors(out, out, position, width);
  memory.fill(out + end, 0, bytes - end);
}
