/** Kinds of tokenizer.json, each on a vocabulary of its model's form. */
import { ADDED, makeText, random } from "./texts.mjs";

const byteCharacters = (() => {
  let other = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae ? byte : other++));
})();
const spelled = (text) => Array.from(new TextEncoder().encode(text), (byte) => byteCharacters[byte]).join("");

const samples = (() => {
  const next = random(1);
  return Array.from({ length: 300 }, () => makeText(next));
})();

/** The most frequent pairs of neighbours, merged one after the other, as such vocabularies are trained. */
function trained(words, symbols, count, join = (a, b) => a + b) {
  const sequences = words.map((word) => [...word]);
  const vocab = new Map([...symbols].map((symbol, id) => [symbol, id]));
  const merges = [];
  while (merges.length < count) {
    const counts = new Map();
    for (const sequence of sequences) for (let i = 0; i + 1 < sequence.length; i++) {
      if (!vocab.has(sequence[i]) || !vocab.has(sequence[i + 1])) continue;
      const key = `${sequence[i]}\0${sequence[i + 1]}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const best = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0];
    if (best === undefined) break;
    const [a, b] = best[0].split("\0");
    merges.push([a, b]);
    if (!vocab.has(join(a, b))) vocab.set(join(a, b), vocab.size);
    for (const sequence of sequences) {
      for (let i = 0; i + 1 < sequence.length; i++) if (sequence[i] === a && sequence[i + 1] === b) sequence.splice(i, 2, join(a, b));
    }
  }
  return { vocab: Object.fromEntries(vocab), merges };
}

const byteWords = samples.flatMap((text) => text.match(/ ?[^\s]+|\s+/g) ?? []).map(spelled);
const byteModel = { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: "", end_of_word_suffix: "", fuse_unk: false, byte_fallback: false, ignore_merges: false, ...trained(byteWords, byteCharacters, 160) };
const characters = [...new Set([..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-'!?éÉмирПвет你好世界\u2581 "])];
const characterModel = (more) => {
  const { vocab, merges } = trained(samples.flatMap((text) => text.replaceAll(" ", "\u2581").match(/\u2581?[^\s\u2581]+/g) ?? []), ["<unk>", ...characters], 120);
  return { type: "BPE", dropout: null, unk_token: "<unk>", continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges, ...more };
};
const withBytes = (model) => {
  const vocab = { ...model.vocab };
  for (let byte = 0; byte < 256; byte++) vocab[`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`] = Object.keys(vocab).length;
  return { ...model, vocab };
};
const unigramModel = (() => {
  const next = random(2);
  const pieces = new Map([["<unk>", 0]]);
  for (const character of characters) pieces.set(character, -6 - next());
  for (const text of samples) {
    const marked = text.replaceAll(" ", "\u2581");
    for (let i = 0; i < 3 && marked.length > 0; i++) {
      const list = [...marked];
      const from = Math.floor(next() * list.length);
      const piece = list.slice(from, from + 2 + Math.floor(next() * 4)).join("");
      if (piece !== "" && !pieces.has(piece)) pieces.set(piece, -4 - 6 * next());
    }
  }
  return { type: "Unigram", unk_id: 0, vocab: [...pieces], byte_fallback: false };
})();
const wordPieceModel = (() => {
  const vocab = { "[UNK]": 0 };
  for (const text of samples) for (const word of text.split(/\s+/)) {
    const list = [...word];
    for (const piece of [list.slice(0, 3).join(""), list[0], `##${list.slice(3, 5).join("")}`, `##${list.at(-1)}`]) if (piece !== undefined && piece !== "##" && !(piece in vocab)) vocab[piece] = Object.keys(vocab).length;
  }
  return { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 12, vocab };
})();
const wordLevelModel = (() => {
  const vocab = { "[UNK]": 0 };
  for (const text of samples) for (const word of text.match(/[A-Za-z0-9\u00c0-\u04ff\u4e00-\u9fff]+|[^\sA-Za-z0-9\u00c0-\u04ff\u4e00-\u9fff]+/gu) ?? []) if (!(word in vocab)) vocab[word] = Object.keys(vocab).length;
  return { type: "WordLevel", vocab, unk_token: "[UNK]" };
})();

const size = (model) => Array.isArray(model.vocab) ? model.vocab.length : Object.keys(model.vocab).length;
/** Added tokens with ids after the model's, as the reference gives them. */
function added(model, tokens) {
  let next = size(model);
  const own = Array.isArray(model.vocab) ? new Map(model.vocab.map(([token], id) => [token, id])) : new Map(Object.entries(model.vocab));
  return tokens.map(([content, flags = {}]) => ({ id: own.get(content) ?? next++, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...flags }));
}
const byteLevel = (more) => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true, ...more });
const split = (pattern, behavior, invert = false) => ({ type: "Split", pattern, behavior, invert });
const sequence = (...pretokenizers) => ({ type: "Sequence", pretokenizers });
const regex = (source) => ({ Regex: source });
const make = (model, rest = {}, tokens = [["<|endoftext|>"]]) => ({ version: "1.0", truncation: null, padding: null, added_tokens: added(model, tokens), normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, model, ...rest });
const bytes = (pre_tokenizer, tokens, rest = {}) => make(byteModel, { pre_tokenizer, decoder: byteLevel(), post_processor: byteLevel(), ...rest }, tokens);

const CL100K = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const O200K = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const metaspace = (more) => ({ type: "Metaspace", replacement: "\u2581", prepend_scheme: "always", split: true, ...more });
const llamaDecoder = { type: "Sequence", decoders: [{ type: "Replace", pattern: { String: "\u2581" }, content: " " }, { type: "ByteFallback" }, { type: "Fuse" }, { type: "Strip", content: " ", start: 1, stop: 0 }] };

/** name → tokenizer.json. Those of KNOWN have to be read; the others may be refused. */
export const KNOWN = {
  "gpt2": bytes(byteLevel()),
  "gpt2, add_prefix_space": bytes(byteLevel({ add_prefix_space: true }), [["<|endoftext|>"], ["<|user|>"]]),
  "gpt2, added tokens of every flag": bytes(byteLevel(), [["<|endoftext|>"], ["<|user|>", { lstrip: true }], ["ng", { single_word: true }], ["[MASK]", { lstrip: true, rstrip: true }], ["MiXed", { normalized: true, special: false }], ["Ωmega", { rstrip: true }], [" pad"], ["tok", { single_word: true, rstrip: true }]]),
  "gpt2, without its words": bytes(byteLevel({ use_regex: false })),
  "cl100k": bytes(sequence(split(regex(CL100K), "Isolated"), byteLevel({ use_regex: false }))),
  "o200k": bytes(sequence(split(regex(O200K), "Isolated"), byteLevel({ use_regex: false })), undefined, { model: { ...byteModel, ignore_merges: true } }),
  "possessive": bytes(sequence(split(regex("\\p{N}{1,3}+|[^\\s\\p{L}]++[\\r\\n]*+|\\p{L}?+\\s*+"), "Removed", true), byteLevel({ use_regex: false }))),
  "split on a string, Isolated": bytes(sequence(split({ String: "-" }, "Isolated"), byteLevel({ use_regex: false }))),
  "split on a string, Removed": bytes(sequence(split({ String: "n" }, "Removed"), byteLevel({ use_regex: false }))),
  "split on white space, MergedWithPrevious": bytes(sequence(split(regex("\\s"), "MergedWithPrevious"), byteLevel({ use_regex: false }))),
  "split on white space, MergedWithNext": bytes(sequence(split(regex("\\s"), "MergedWithNext"), byteLevel({ use_regex: false }))),
  "split on letters, Contiguous": bytes(sequence(split(regex("[a-e]"), "Contiguous"), byteLevel({ use_regex: false }))),
  "split, inverted": bytes(sequence(split(regex("\\p{L}+"), "Removed", true), byteLevel({ use_regex: false }))),
  "split, inverted, MergedWithNext": bytes(sequence(split(regex("\\p{L}"), "MergedWithNext", true), byteLevel({ use_regex: false }))),
  "split before capitals": bytes(sequence(split(regex("(?=\\p{Lu})"), "Isolated"), byteLevel({ use_regex: false }))),
  "digits apart": bytes(sequence({ type: "Digits", individual_digits: true }, byteLevel())),
  "digits together": bytes(sequence({ type: "Digits", individual_digits: false }, byteLevel())),
  "punctuation, Isolated": bytes(sequence({ type: "Punctuation", behavior: "Isolated" }, byteLevel({ use_regex: false }))),
  "punctuation, Contiguous": bytes(sequence({ type: "Punctuation", behavior: "Contiguous" }, byteLevel({ use_regex: false }))),
  "punctuation, MergedWithPrevious": bytes(sequence({ type: "Punctuation", behavior: "MergedWithPrevious" }, byteLevel({ use_regex: false }))),
  "lower case": bytes(byteLevel(), [["<|endoftext|>"], ["MiXed", { normalized: true, special: false }], ["ng", { normalized: true, single_word: true }]], { normalizer: { type: "Lowercase" } }),
  "strip and replace": bytes(byteLevel(), undefined, { normalizer: { type: "Sequence", normalizers: [{ type: "Strip", strip_left: true, strip_right: true }, { type: "Replace", pattern: { String: "a" }, content: "ä" }, { type: "Prepend", prepend: "\u2581" }] } }),
  "llama: byte fallback": make(withBytes(characterModel({ byte_fallback: true, fuse_unk: true })), { normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "\u2581" }, { type: "Replace", pattern: { String: " " }, content: "\u2581" }] }, decoder: llamaDecoder }),
  "metaspace, always": make(characterModel({ fuse_unk: true }), { pre_tokenizer: metaspace(), decoder: metaspace() }),
  "metaspace, first": make(characterModel(), { pre_tokenizer: metaspace({ prepend_scheme: "first" }), decoder: metaspace({ prepend_scheme: "first" }) }, [["<|endoftext|>"], ["<|user|>"]]),
  "metaspace, never, whole": make(characterModel(), { pre_tokenizer: metaspace({ prepend_scheme: "never", split: false }), decoder: metaspace({ prepend_scheme: "never", split: false }) }),
  "characters without a token for what is unknown": make(characterModel({ unk_token: null }), { pre_tokenizer: { type: "Whitespace" }, decoder: { type: "Fuse" } }),
  "unigram": make(unigramModel, { pre_tokenizer: metaspace(), decoder: metaspace() }, [["<|endoftext|>"], ["ng", { single_word: true }]]),
  "unigram, whole": make(unigramModel, { pre_tokenizer: metaspace({ split: false }), decoder: metaspace() }),
  "wordpiece": make(wordPieceModel, { pre_tokenizer: { type: "BertPreTokenizer" }, decoder: { type: "WordPiece", prefix: "##", cleanup: false } }, [["[MASK]", { lstrip: true }]]),
  "wordpiece, cleaned": make(wordPieceModel, { pre_tokenizer: { type: "WhitespaceSplit" }, decoder: { type: "WordPiece", prefix: "##", cleanup: true } }),
  "words": make(wordLevelModel, { pre_tokenizer: { type: "Whitespace" } }),
  "words, between delimiters": make(wordLevelModel, { pre_tokenizer: { type: "CharDelimiterSplit", delimiter: " " } }),
  "NFC": bytes(byteLevel(), undefined, { normalizer: { type: "NFC" } }),
  "NFKC": bytes(byteLevel(), undefined, { normalizer: { type: "NFKC" } }),
  "BERT": make(wordPieceModel, { normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true }, pre_tokenizer: { type: "BertPreTokenizer" }, decoder: { type: "WordPiece", prefix: "##", cleanup: true } }),
  "end_of_word_suffix": make({ ...characterModel(), end_of_word_suffix: "</w>" }, { pre_tokenizer: { type: "WhitespaceSplit" }, decoder: { type: "BPEDecoder", suffix: "</w>" } }),
  "continuing_subword_prefix": make({ ...characterModel(), continuing_subword_prefix: "##", merges: [] }, { pre_tokenizer: { type: "WhitespaceSplit" } }),
  "unigram, byte fallback": make({ ...unigramModel, byte_fallback: true }, { pre_tokenizer: metaspace(), decoder: metaspace() }),
};

export const REFUSABLE = {
  "scripts": bytes(sequence({ type: "UnicodeScripts" }, byteLevel())),
  "word characters in a pattern": bytes(sequence(split(regex("\\w+"), "Isolated"), byteLevel({ use_regex: false }))),
  "word borders in a pattern": bytes(sequence(split(regex("\\b"), "Isolated"), byteLevel({ use_regex: false }))),
  "sets of sets": bytes(sequence(split(regex("[a-z&&[^aeiou]]+"), "Isolated"), byteLevel({ use_regex: false }))),
  "a script": bytes(sequence(split(regex("\\p{Han}+"), "Isolated"), byteLevel({ use_regex: false }))),
  "ids out of order": { ...bytes(byteLevel()), added_tokens: added(byteModel, [["<|endoftext|>"], ["<|user|>"]]).map((token) => ({ ...token, id: token.id + 7 })) },
};
export { ADDED };
