/** 1 if the two regions have the same bits. `bytes` a multiple of 16. */
export function sameBits(x: usize, y: usize, bytes: usize): i32 {
  for (let i: usize = 0; i < bytes; i += 16) {
    if (v128.any_true(v128.xor(v128.load(x + i), v128.load(y + i)))) return 0;
  }
  return 1;
}
