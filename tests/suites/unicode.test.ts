/** Words are cut alike by every engine, whatever version of Unicode it has, and as the reference cuts them. */
import { GPT2_WORDS, pinnedPattern } from "../../bindings/tokenizer/unicode/pattern.ts";
import { UNICODE_VERSION } from "../../bindings/tokenizer/unicode/table.ts";
import { complement, rangesOf, union } from "../../bindings/tokenizer/unicode/categories.ts";
import { assert, describe, it } from "../support/harness.ts";

/** Of tests/tokenizers/words_digest.py, with tokenizers 0.23.3. */
const REFERENCE = "3d24485f86ef96ab9ecc885afd52a877ff1faf685b398a5b928849aef1115911";

/** How every code point, in a text of several contexts, is cut: for each the number of words and where they end, in code points. */
async function digestOf(words: RegExp): Promise<string> {
  const bytes = new Uint8Array(0x110000 * 24);
  let length = 0;
  for (let code = 0; code < 0x110000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const c = String.fromCodePoint(code);
    const wide = code > 0xffff;
    const at = length++;
    let end = 0;
    let count = 0;
    for (const word of `x${c} ${c}'s1${c}${c}\n${c}!${c} ${c}`.match(words)!) {
      end += wide ? [...word].length : word.length;
      bytes[length++] = end;
      count++;
    }
    bytes[at] = count;
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(0, length)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("GPT-2's words", () => {
  it("are the reference's for every code point", { timeout: 120_000 }, async () => {
    assert.equal(await digestOf(new RegExp(GPT2_WORDS, "gu")), REFERENCE);
  });

  it("would not be by JavaScript's own classes", { timeout: 120_000 }, async () => {
    assert.notEqual(await digestOf(/'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu), REFERENCE);
  });

  it("are of a version that is stated", () => assert.equal(UNICODE_VERSION, "16.0.0"));
});

describe("a pattern of a tokenizer.json", () => {
  const found = (source: string, text: string): string[] => {
    const pattern = pinnedPattern(source);
    assert.ok(pattern !== null, source);
    return [...text.matchAll(new RegExp(pattern, "gu"))].map(([match]) => match);
  };

  it("has white space, letters, numbers and marks as Unicode has them", () => {
    assert.deepEqual(found("\\s+", "a \u0085\u00a0\ufeffb"), [" \u0085\u00a0"]);
    assert.deepEqual(found("\\S+", "a \u0085\ufeffb"), ["a", "\ufeffb"]);
    assert.deepEqual(found("[^\\s\\p{L}]+", "a\ufeff1 b"), ["\ufeff1"]);
    assert.deepEqual(found("\\p{L}", "a\u{10940}\u{10d40}\u{10d50}1"), ["a", "\u{10d50}"]); // of Unicode 17, a digit and a letter of 16
    assert.deepEqual(found("\\d", "1\u0663\u00b2\u2167"), ["1", "\u0663"]);
    assert.deepEqual(found("[\\P{N}]+", "a1b"), ["a", "b"]);
    assert.deepEqual(found("\\p{^L}+", "a1b"), ["1"]);
  });

  it("ignores case in the groups that say so, and nowhere else", () => {
    assert.deepEqual(found("(?i:'s|'LL)|x", "'S 's '\u017f 'Ll X x"), ["'S", "'s", "'\u017f", "'Ll", "x"]);
    assert.deepEqual(found("'(?i:[sk])", "'S 'K '\u212a 's"), ["'S", "'K", "'\u212a", "'s"]);
  });

  it("gives nothing back of what is possessive or atomic", () => {
    assert.deepEqual(found("a++a|b", "aaab"), ["b"]);
    assert.deepEqual(found("(?>a+)b|c", "aab aac"), ["aab", "c"]);
    assert.deepEqual(found("\\p{N}{1,2}+", "12345"), ["12345"]); // in Oniguruma's syntax: repeated
    assert.deepEqual(found(".", "\r\u2028\n"), ["\r", "\u2028"]);
  });

  it("is refused where JavaScript cannot say the same for certain", () => {
    for (const source of ["\\b", "^a", "a$", "\\w", "\\W", "[\\w-]", "[[:alpha:]]", "[a-z&&b]", "[a[b]]", "\\p{Han}", "\\p{Letter}", "(a)\\1", "(?<n>a)", "(?m)a", "(?i)a", "(?i:é)", "(?i:[a-z])", "a{2}?", "a{,3}", "\\h", "\\R", "\\X", "\\G", "\\A", "\\z", "a**", "(a", "a)", "[a", "[]a]", "[^]", "\\", "*a", "\\x{110000}", "\\x{d800}", "\\xff", "\\u{41}", "(?#c)"]) {
      assert.equal(pinnedPattern(source), null, source);
    }
  });

  it("means by sets what they hold", () => {
    const letters = rangesOf(["L"]);
    assert.deepEqual(complement(complement(letters)), letters);
    assert.deepEqual(union(letters, complement(letters)), [[0, 0x10ffff]]);
    assert.deepEqual(rangesOf(["Nonsense"]), []);
  });
});
