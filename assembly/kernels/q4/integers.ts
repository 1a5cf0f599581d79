import { Q4_GROUP, octetWords, q4Groups } from "./layout";

// A file's rows of integers to panels: 16 outputs of k inputs at a time become one panel. Nothing is computed, bytes are put
// elsewhere, so this goes as fast as memory does. The panel's scales stay as they are.

/** panel (layout in layout.ts) = x [16][⌈k / 32⌉][16 bytes], nibbles + 8, two k a byte, the first one low. */
export function packIntegersQ4(panel: usize, x: usize, k: usize): void {
  const groups = q4Groups(k);
  const row = groups << 4;
  for (let g: usize = 0; g < groups; g++, panel += Q4_GROUP, x += 16) {
    for (let quad: usize = 0; quad < 4; quad++) {
      const y = x + row * (quad << 2), to = panel + (quad << 4);
      const a = v128.load(y), b = v128.load(y + row), c = v128.load(y + row * 2), d = v128.load(y + row * 3);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
      const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      v128.store(to, octetWords(v128.shuffle<i64>(ab, cd, 0, 2)));
      v128.store(to, octetWords(v128.shuffle<i64>(ab, cd, 1, 3)), 64);
      v128.store(to, octetWords(v128.shuffle<i64>(AB, CD, 0, 2)), 128);
      v128.store(to, octetWords(v128.shuffle<i64>(AB, CD, 1, 3)), 192);
    }
  }
}
