import { addVectors } from "./rows";

/** row[width] += position[width]; the padding up to `bytes` is set to +0. */
export function addPosition(row: usize, bytes: usize, position: usize, width: usize): void {
  addVectors(row, row, position, width);
  const end = width << 2;
  memory.fill(row + end, 0, bytes - end);
}
