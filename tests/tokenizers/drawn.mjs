/** Kinds of tokenizer.json whose vocabulary and parameters are drawn: several of each, from a stream of random numbers. */

/** xorshift32: the same numbers everywhere. */
function randomStream(seed) {
  let state = seed >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  return { next, below, pick: (list) => list[below(list.length)], maybe: () => next() < 0.5 };
}

const WORDS = [
  "hello", "world", "the", "The", "dancing", "ing", "don't", "it's", "I'LL", "we've", "naïve", "café", "cafe\u0301", "Ångström", "A\u030angstro\u0308m", "straße", "İstanbul", "ΣΟΦΟΣ", "ὈΔΥΣΣΕΎΣ", "мир", "Привет", "日本語", "漢字かな", "カタカナ", "ｶﾅ", "한국어",
  "\u1112\u1161\u11ab", "नमस्ते", "สวัสดี", "العربية", "שלום", "ﬁne", "Ⅳ", "½", "²", "①", "a1b2", "12345", "3.14", "٣٤", "१२", "\u{1d7d8}", "ℌ", "ǅ", "\u0344", "\u0f73", "\u0958", "\u2126", "\u212b", "<0x41>", "##ing", "▁", "▁a", "Ġ", "</w>", "<unk>", "[UNK]", " do not", "n't", "_x_", "snake_case",
];
const SIGNS = [".", ",", "!", "?", "-", "--", "...", "'", "\"", "(", ")", "$", "+", "€", "。", "、", "¿", "—", "‘", "_", "|", "\\", "^", "~", "`", "=", "\u2e43", "\u05be", "\u16fe2", "\u{1f600}", "\u{1f468}\u200d\u{1f469}", "\u{1f1e9}\u{1f1ea}", "\u2764\ufe0f"];
const SPACES = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u0085", "\u00a0", "\u2003", "\u2028", "\u3000", "\u1680", "\ufeff", "\u200b", "\u200d", "\u180e", "\x00", "\x1f", "\x7f", "\x0b"];
/** Letters, marks and digits of Unicode 14 to 17, and what they are composed of. */
const NEW = ["\u{10940}", "\u{1c89}", "\u{1c8a}", "\ua7cb", "\ua7cc", "\ua7ce", "\ua7d2", "\ua7da", "\ua7dc", "\u{16ea0}", "\u{16ebb}", "\u{11de0}", "\u{16ff4}", "\u{105c9}", "\u{105d2}\u0307", "\u{113c2}\u{113c2}", "\u{16d68}", "\u{16d67}\u{16d67}", "\u{16121}", "\u{1611e}\u{1611e}", "\u0897", "\u1acf", "\u1ae0", "\u{11f41}", "\u{10d50}", "\u{1ccd6}", "\u{1e030}", "\u32ff", "\ua7f1", "\u{10efa}", "\u{1e6e3}", "\u{1e4ec}", "\u0c3c", "\u{119e0}"];
const MARKS = ["\u0301", "\u0308", "\u0327", "\u0345", "\u0334", "\u05b0", "\u3099", "\u093c", "\u20dd", "\ufe0f", "\u1cf2", "\u1734"];

function randomText(random, special) {
  let text = "";
  for (let parts = random.below(9); parts > 0; parts--) {
    const kind = random.below(20);
    if (kind < 7) text += random.pick(WORDS);
    else if (kind < 10) text += random.pick(SIGNS);
    else if (kind < 14) text += random.pick(SPACES);
    else if (kind < 15) text += random.pick(NEW);
    else if (kind < 16) text += random.pick(MARKS);
    else if (kind < 19 && special.length > 0) text += random.pick(special);
    else text += anyCharacter(random);
    if (random.below(3) === 0) text += " ";
  }
  return text;
}

function anyCharacter(random) {
  const limit = random.pick([0x80, 0x500, 0x3000, 0x10000, 0x20000, 0x110000]);
  const code = random.below(limit);
  return String.fromCodePoint(code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
}

const CHARACTERS = [];
for (let byte = 0, other = 256; byte < 256; byte++) CHARACTERS.push(String.fromCharCode((byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad) ? byte : other++));
const byteLevel = (text) => Array.from(new TextEncoder().encode(text), (byte) => CHARACTERS[byte]).join("");
const byteTokens = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);

/** Tokens and merges from words: random neighbours become one, as training does with the most frequent ones. */
function trained(random, words, { prefix = "", suffix = "", merges = 80, tokens = [] } = {}) {
  const split = words.filter((word) => word !== "").map((word) => [...word].map((character, i, all) => (i > 0 ? prefix : "") + character + (i === all.length - 1 ? suffix : "")));
  const vocabulary = new Set([...tokens, ...split.flat()]);
  const pairs = [];
  for (let tries = 0; tries < merges * 4 && pairs.length < merges; tries++) {
    const word = random.pick(split);
    if (word.length < 2) continue;
    const at = random.below(word.length - 1);
    const [a, b] = [word[at], word[at + 1]];
    const both = a + b.slice(prefix.length);
    pairs.push([a, b]);
    vocabulary.add(both);
    for (const other of split) for (let i = 0; i + 1 < other.length; i++) if (other[i] === a && other[i + 1] === b) other.splice(i, 2, both);
  }
  return { vocab: Object.fromEntries([...vocabulary].map((token, id) => [token, id])), merges: pairs };
}

/** Half of the words, so that characters stay unknown. */
const known = (random) => WORDS.filter(() => random.maybe());
const base = { version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
const bpe = (vocabulary, more) => ({ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, ...vocabulary, ...more });
const bytes = (random, more) => bpe(trained(random, [...WORDS.flatMap((word) => [byteLevel(word), byteLevel(` ${word}`)]), ...SIGNS.map(byteLevel)], { merges: 150, tokens: CHARACTERS }), more);
const characters = (random, more, options) => bpe(trained(random, known(random), { tokens: ["<unk>"], ...options }), more);
const wordLevel = (random, words = WORDS) => ({ type: "WordLevel", vocab: Object.fromEntries([...new Set(["[UNK]", ...words.filter(() => random.maybe())])].map((word, id) => [word, id])), unk_token: "[UNK]" });
const wordPiece = (random, prefix = "##") => ({ type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: prefix, max_input_chars_per_word: random.pick([5, 100]), vocab: trained(random, known(random), { prefix, tokens: ["[UNK]"] }).vocab });
function unigram(random, { fallback = false, marker = "" } = {}) {
  const { vocab } = trained(random, known(random).map((word) => marker + word), { tokens: ["<unk>", ...(fallback ? byteTokens : [])] });
  return { type: "Unigram", unk_id: 0, byte_fallback: fallback, vocab: Object.keys(vocab).map((token) => [token, token === "<unk>" ? 0 : -random.below(40) / 4]) };
}

const SPLIT = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const BYTES = { ...SPLIT, use_regex: false };
const BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
const token = (content, more) => ({ content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...more });

/** With added tokens, whose ids follow the vocabulary's. */
function withTokens(json, tokens) {
  const vocab = Array.isArray(json.model.vocab) ? new Map(json.model.vocab.map(([content], id) => [content, id])) : new Map(Object.entries(json.model.vocab));
  let next = vocab.size;
  return { ...json, added_tokens: tokens.map((one) => ({ id: vocab.get(one.content) ?? next++, ...one })) };
}

const gpt2 = (random, more) => withTokens({ ...base, pre_tokenizer: SPLIT, decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true }, model: bytes(random), ...more }, [token("<|endoftext|>")]);
const sequence = (...pretokenizers) => ({ type: "Sequence", pretokenizers });
const words = (random, pre_tokenizer, more) => ({ ...base, pre_tokenizer, model: wordLevel(random), ...more });
const flags = (random) => ({ single_word: random.maybe(), lstrip: random.maybe(), rstrip: random.maybe(), normalized: random.maybe(), special: random.maybe() });
const CL100K = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const metaspace = (random, split = random.maybe(), prepend_scheme = random.pick(["always", "first", "never"])) => ({ type: "Metaspace", replacement: "▁", prepend_scheme, split });
const normalizing = (type) => (random) => words(random, { type: "WhitespaceSplit" }, { normalizer: { type }, model: characters(random, { unk_token: "<unk>" }), decoder: { type: "Fuse" } });

/** Name → how to make one. All must be computed, but those of REFUSED. */
const KINDS = {
  "gpt2": (random) => gpt2(random),
  "gpt2, prefix space, roberta's post-processor": (random) => gpt2(random, { pre_tokenizer: { ...SPLIT, add_prefix_space: true }, post_processor: { type: "RobertaProcessing", sep: ["<|endoftext|>", 0], cls: ["<|endoftext|>", 0], trim_offsets: true, add_prefix_space: true } }),
  "gpt2, ignore_merges": (random) => gpt2(random, { model: bytes(random, { ignore_merges: true }) }),
  "added tokens, every flag": (random) => withTokens(gpt2(random), ["<|endoftext|>", "ng", "ing", "the", "x", "<s>", "日本", "é", " a", "don"].map((content) => token(content, flags(random)))),
  "added tokens and a normalizer": (random) => withTokens(gpt2(random, { normalizer: { type: "Lowercase" } }), ["<|endoftext|>", "The", "[MASK]", "Straße", "ing"].map((content) => token(content, flags(random)))),
  "added tokens that the vocabulary has": (random) => withTokens(words(random, { type: "Whitespace" }), ["[UNK]", "[CLS]", "hello", "ing"].map((content) => token(content, flags(random)))),
  "cl100k words": (random) => gpt2(random, { pre_tokenizer: sequence({ type: "Split", pattern: { Regex: CL100K }, behavior: "Isolated", invert: false }, BYTES) }),
  "split at a text": (random) => gpt2(random, { pre_tokenizer: sequence({ type: "Split", pattern: { String: random.pick(["-", " ", "in", "."]) }, behavior: random.pick(BEHAVIORS), invert: random.maybe() }, BYTES) }),
  "split at a pattern": (random) => gpt2(random, { pre_tokenizer: sequence({ type: "Split", pattern: { Regex: random.pick(["\\s+", "\\p{N}", "[aeiou]+", "[^\\p{L}]", "\\p{Lu}\\p{Ll}*", "\\d{1,2}"]) }, behavior: random.pick(BEHAVIORS), invert: random.maybe() }, BYTES) }),
  "punctuation, digits, byte level": (random) => gpt2(random, { pre_tokenizer: sequence({ type: "Punctuation", behavior: random.pick(BEHAVIORS) }, { type: "Digits", individual_digits: random.maybe() }, { ...SPLIT, add_prefix_space: random.maybe() }) }),
  "normal form, byte level": (random) => gpt2(random, { normalizer: { type: random.pick(["NFC", "NFD", "NFKC", "NFKD"]) } }),
  "byte level as normalizer": (random) => gpt2(random, { normalizer: { type: "ByteLevel" }, pre_tokenizer: null }),
  "BPE, prefix of what continues": (random) => words(random, { type: "Whitespace" }, { model: characters(random, { unk_token: "<unk>", continuing_subword_prefix: "##", fuse_unk: random.maybe() }, { prefix: "##" }), decoder: { type: "WordPiece", prefix: "##", cleanup: random.maybe() } }),
  "BPE, suffix of words": (random) => words(random, sequence({ type: "WhitespaceSplit" }, { type: "Punctuation", behavior: "Isolated" }), { normalizer: { type: "Lowercase" }, model: characters(random, { unk_token: "<unk>", end_of_word_suffix: "</w>", fuse_unk: random.maybe() }, { suffix: "</w>" }), decoder: { type: "BPEDecoder", suffix: "</w>" } }),
  "BPE, byte fallback": (random) => ({ ...base, normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, { type: "Replace", pattern: { String: " " }, content: "▁" }] }, model: characters(random, { unk_token: "<unk>", byte_fallback: true, fuse_unk: random.maybe() }, { tokens: ["<unk>", "<s>", ...byteTokens, "▁"] }), decoder: { type: "Sequence", decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }, { type: "ByteFallback" }, { type: "Fuse" }, { type: "Strip", content: " ", start: 1, stop: 0 }] } }),
  "BPE, some bytes missing": (random) => words(random, { type: "WhitespaceSplit" }, { model: characters(random, { unk_token: random.pick(["<unk>", null]), byte_fallback: true, fuse_unk: random.maybe() }, { tokens: ["<unk>", ...byteTokens.filter(() => random.below(8) > 0)] }), decoder: { type: "ByteFallback" } }),
  "BPE, unknown left out": (random) => words(random, { type: "Whitespace" }, { model: characters(random, {}) }),
  "BPE, unknown token not there": (random) => words(random, { type: "Whitespace" }, { model: characters(random, { unk_token: "[nowhere]" }) }),
  "WordLevel, Whitespace": (random) => words(random, { type: "Whitespace" }),
  "WordLevel, punctuation": (random) => words(random, sequence({ type: "WhitespaceSplit" }, { type: "Punctuation", behavior: random.pick(BEHAVIORS) })),
  "WordLevel, digits": (random) => words(random, sequence({ type: "Whitespace" }, { type: "Digits", individual_digits: random.maybe() })),
  "WordLevel, delimiter": (random) => words(random, { type: "CharDelimiterSplit", delimiter: random.pick([" ", "-", "i"]) }),
  "WordLevel, fixed length": (random) => words(random, sequence({ type: "WhitespaceSplit" }, { type: "FixedLength", length: 1 + random.below(5) })),
  "WordPiece, BERT": (random) => withTokens(words(random, { type: "BertPreTokenizer" }, { normalizer: { type: "BertNormalizer", clean_text: random.maybe(), handle_chinese_chars: random.maybe(), strip_accents: random.pick([null, true, false]), lowercase: random.maybe() }, model: wordPiece(random), decoder: { type: "WordPiece", prefix: "##", cleanup: random.maybe() }, post_processor: { type: "TemplateProcessing", single: [{ SpecialToken: { id: "[UNK]", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }], pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }], special_tokens: { "[UNK]": { id: "[UNK]", ids: [0], tokens: ["[UNK]"] } } } }), [token("[UNK]"), token("[MASK]", { lstrip: true })]),
  "WordPiece, whitespace": (random) => words(random, { type: "Whitespace" }, { model: wordPiece(random, random.pick(["##", "", "@"])), decoder: { type: "WordPiece", prefix: "##", cleanup: true } }),
  "Unigram, Metaspace": (random) => ({ ...base, pre_tokenizer: metaspace(random), model: unigram(random, { marker: "▁" }), decoder: metaspace(random) }),
  "Unigram, Metaspace after words": (random) => withTokens({ ...base, pre_tokenizer: sequence({ type: "WhitespaceSplit" }, metaspace(random)), model: unigram(random, { marker: "▁" }), decoder: metaspace(random) }, [token("<unk>"), token("<s>", flags(random))]),
  "Unigram, byte fallback": (random) => ({ ...base, normalizer: { type: random.pick(["NFKC", "NFC", "Nmt"]) }, pre_tokenizer: metaspace(random, true, "always"), model: unigram(random, { fallback: true, marker: "▁" }), decoder: { type: "Sequence", decoders: [{ type: "ByteFallback" }, metaspace(random)] } }),
  "BPE, Metaspace": (random) => withTokens({ ...base, pre_tokenizer: metaspace(random), model: characters(random, { unk_token: "<unk>", fuse_unk: true }, { tokens: ["<unk>", "▁"] }), decoder: metaspace(random) }, [token("<unk>"), token("<s>", flags(random))]),
  "NFC": normalizing("NFC"), "NFD": normalizing("NFD"), "NFKC": normalizing("NFKC"), "NFKD": normalizing("NFKD"), "Lowercase": normalizing("Lowercase"), "StripAccents": normalizing("StripAccents"), "Nmt": normalizing("Nmt"),
  "Strip": (random) => words(random, null, { normalizer: { type: "Strip", strip_left: random.maybe(), strip_right: random.maybe() }, model: characters(random, { unk_token: "<unk>" }), decoder: { type: "Fuse" } }),
  "Replace": (random) => words(random, { type: "Whitespace" }, { normalizer: { type: "Sequence", normalizers: [{ type: "Replace", pattern: random.pick([{ String: "a" }, { Regex: "\\s+" }, { Regex: "[0-9]" }, { String: "..." }]), content: random.pick(["", "$&", "_", "XY"]) }, { type: "NFD" }, { type: "StripAccents" }] } }),
  "CTC": (random) => words(random, { type: "Split", pattern: { Regex: "\\s" }, behavior: "Isolated", invert: false }, { model: characters(random, { unk_token: "<unk>" }), decoder: { type: "CTC", pad_token: "<unk>", word_delimiter_token: "|", cleanup: random.maybe() } }),
  "no decoder": (random) => words(random, { type: "WhitespaceSplit" }, { model: unigram(random) }),
  "dropout": (random) => gpt2(random, { model: bytes(random, { dropout: 0.1 }) }),
  "a pattern with word boundaries": (random) => gpt2(random, { pre_tokenizer: sequence({ type: "Split", pattern: { Regex: "\\b\\w+\\b" }, behavior: "Isolated", invert: false }, BYTES) }),
  "scripts": (random) => words(random, { type: "UnicodeScripts" }),
  "first behind a normalizer": (random) => ({ ...base, normalizer: { type: "Strip", strip_left: true, strip_right: true }, pre_tokenizer: metaspace(random, true, "first"), model: unigram(random, { marker: "▁" }), decoder: metaspace(random) }),
};

/** Kinds that kvasm says it cannot compute exactly. */
const REFUSED = ["dropout", "a pattern with word boundaries", "scripts", "first behind a normalizer"];

const [OF_EACH, TEXTS, SAMPLES] = [4, 80, 20];

/** Of each kind several: { kind, texts, samples: ids to decode, refused }. */
export function drawn(seed = 1) {
  return Object.entries(KINDS).flatMap(([name, make], at) => {
    const random = randomStream((seed * 1000 + at) * 7919);
    return Array.from({ length: OF_EACH }, (_, i) => {
      const kind = make(random);
      const special = kind.added_tokens.map(({ content }) => content);
      const ids = [...(Array.isArray(kind.model.vocab) ? kind.model.vocab.keys() : Object.values(kind.model.vocab)), ...kind.added_tokens.map(({ id }) => id)];
      return {
        name: `${name} #${i + 1}`, kind, refused: REFUSED.includes(name),
        texts: Array.from({ length: TEXTS }, () => randomText(random, special)),
        samples: Array.from({ length: SAMPLES }, () => Array.from({ length: 1 + random.below(8) }, () => random.pick(ids))),
      };
    });
  });
}
