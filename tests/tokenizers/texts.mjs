/** Texts in which tokenizers differ: words, signs, white space of every kind, letters of many scripts and of recent versions of Unicode. */

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WORDS = ("the The THE a I of and in dancing sing ing n-i x-y don't DON'T it's IT'S we're they'll I'd 'ſ 'S 's 'll 've' hello Hello world Straße İstanbul ΣΑΣ ΟΔΟΣ naïve " +
  "e\u0301 \u00e9 \u00c9 мир МИР Привет 你好 世界 こんにちは カタカナ ｶﾅ 안녕 שלום مرحبا हिन्दी ไทย ελληνικά ½ ² ³ ¼ Ⅷ ⅷ ①② Ⓐⓑ 1 12 123 1234 12345 007 3.14 1,000 ٣٤ ৪ 𝟙𝟚 😀 👩‍👩‍👧 🇩🇪 👍🏽 ﬁ ﬀ ǅ ª º µ Å Å K ſ").split(" ");
const SIGNS = [..."!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡¿§«»“”‘’…–—·•※〈〉、。！？₩€£^¨´`¯˙⁀‿﹏＿\u2581▁<>"];
const SPACES = [..." \t\n\r\f\v\u0085\u00a0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000", "  ", "   ", "\r\n", "\n\n"];
const INVISIBLE = [..."\ufeff\u200b\u200c\u200d\u2060\u00ad\u180e\ufe0f\u0300\u0301\u0308\u0323\u0338\u20e3"];
/** Assigned in Unicode 15 to 17, and not assigned. */
const RECENT = [0x0cf3, 0x10efd, 0x11f04, 0x1e4d0, 0x1e4f0, 0x1faa9, 0x2ebf0, 0x1c89, 0x1c8a, 0xa7cb, 0xa7da, 0x10d40, 0x10d50, 0x10d70, 0x10ec2, 0x11380, 0x113d4, 0x11bc0, 0x11bf0, 0x16d40, 0x16d70,
  0x1ccf0, 0x1e5d0, 0x1e5f1, 0x10940, 0x11de0, 0x11db0, 0x16ea0, 0x16ff4, 0xa7ce, 0xa7d2, 0x1e6c0, 0x323b0, 0x0378, 0x1ffff, 0xe000, 0x10fffd, 0x2e43, 0x2e52, 0x1b7d, 0x111c9, 0x166d].map((code) => String.fromCodePoint(code));
export const ADDED = ["<|endoftext|>", "<|user|>", "ng", "[MASK]", "MiXed", "Ωmega", " pad", "tok"];

export function makeText(next) {
  const pick = (list) => list[Math.floor(next() * list.length)];
  const any = () => {
    const code = Math.floor(next() < 0.7 ? next() * 0x3000 : next() * 0x110000);
    return code >= 0xd800 && code < 0xe000 ? "x" : String.fromCodePoint(code);
  };
  const length = Math.floor(next() * next() * 24);
  let text = "";
  for (let i = 0; i < length; i++) {
    const kind = next();
    if (kind < 0.42) text += pick(WORDS);
    else if (kind < 0.55) text += pick(SIGNS);
    else if (kind < 0.7) text += pick(SPACES);
    else if (kind < 0.75) text += pick(INVISIBLE);
    else if (kind < 0.82) text += pick(RECENT);
    else if (kind < 0.9) text += pick(ADDED);
    else text += any();
    if (next() < 0.4) text += " ";
  }
  return text.replaceAll("\0", "");
}

/** The same texts for the same kind, the first ones the same whatever their number. */
export function textsFor(name, count) {
  const next = random([...name].reduce((seed, character) => (seed * 31 + character.codePointAt(0)) >>> 0, 7));
  return Array.from({ length: count }, () => makeText(next));
}
