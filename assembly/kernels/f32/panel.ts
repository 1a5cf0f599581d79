// Elements of f32 matrices to packed panels (docs/ARCHITECTURE.md), and back for the embedding.

/**
 * Elements `element` … of W[K][N] (row-major) to panels of 16 outputs:
 *   panel p, row k:  W[k][16p] … W[k][16p+15], 64 bytes, at (p·K + k)·64
 */
export function packMatrix(panels: usize, k: usize, n: usize, x: usize, element: usize, count: usize): void {
  let row = element / n;
  let column = element % n;
  const panelBytes = k << 6;
  while (count) {
    const lane = column & 15;
    const run = min<usize>(min<usize>(16 - lane, n - column), count);
    const to = panels + (column >> 4) * panelBytes + (row << 6) + (lane << 2);
    if (run == 16) {
      v128.store(to, v128.load(x)); v128.store(to, v128.load(x, 16), 16);
      v128.store(to, v128.load(x, 32), 32); v128.store(to, v128.load(x, 48), 48);
    } else {
      for (let i: usize = 0; i < run; i++) store<f32>(to + (i << 2), load<f32>(x + (i << 2)));
    }
    x += run << 2;
    count -= run;
    column += run;
    if (column == n) { column = 0; row++; }
  }
}

/** Elements of W[N][K] (row-major: an embedding, [vocab][width]) to the same panels: row n is a column of panel n / 16. */
export function packTransposed(panels: usize, k: usize, x: usize, element: usize, count: usize): void {
  let n = element / k;
  let column = element % k;
  while (count) {
    const run = min<usize>(k - column, count);
    let to = panels + (n >> 4) * (k << 6) + (column << 6) + ((n & 15) << 2);
    const end = x + (run << 2);
    for (; x < end; x += 4, to += 64) store<f32>(to, load<f32>(x));
    count -= run;
    column = 0;
    n++;
  }
}

/** Elements of X[rows][width] to rows `stride` bytes apart. */
export function packRows(rows: usize, width: usize, stride: usize, x: usize, element: usize, count: usize): void {
  let row = element / width;
  let column = element % width;
  while (count) {
    const run = min<usize>(width - column, count);
    memory.copy(rows + row * stride + (column << 2), x, run << 2);
    x += run << 2;
    count -= run;
    column = 0;
    row++;
  }
}

/** out[width] = output `id` of f32 panels wte[panels of vocab][width][16]: a token is a column of a panel. */
export function unpackOutput(out: usize, wte: usize, width: usize, id: usize): void {
  let column = wte + (id >> 4) * (width << 6) + ((id & 15) << 2);
  const end = out + (width << 2);
  for (; out < end; out += 4, column += 64) store<f32>(out, load<f32>(column));
}
