/**
 * One token's key and value, each with its bias added, into its place in a page.
 *   x       f32[2 · width]                            key, then value, as the linear layer left them
 *   bias    f32[2 · width]
 *   keys    [head][dimension][16 tokens]              this layer's part of the page
 *   values  [head][panel of 16 dimensions][16 tokens][16]
 * `lane`: the token's position modulo 16.
 */
export function storeKeyValue(
  keys: usize, values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize,
): void {
  const bytes = heads * (size << 2);
  let key = keys + (lane << 2);
  for (let i: usize = 0; i < bytes; i += 4, key += 64) store<f32>(key, load<f32>(x + i) + load<f32>(bias + i));
  let from = x + bytes;
  let add = bias + bytes;
  let panel = values + (lane << 6);
  for (let h: usize = 0; h < heads; h++) {
    for (let d: usize = 0; d < size; d += 16, panel += 1024) {
      const count = min(16, size - d) << 2;
      for (let i: usize = 0; i < count; i += 4, from += 4, add += 4) store<f32>(panel + i, load<f32>(from) + load<f32>(add));
    }
  }
}
