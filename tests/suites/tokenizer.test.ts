import gptTokenizer from "gpt-tokenizer/encoding/r50k_base";
import ranks from "gpt-tokenizer/bpeRanks/r50k_base";
import { KvasmError } from "../../bindings/errors.ts";
import { gpt2Tokenizer as tokenizer } from "../../bindings/tokenizer/gpt2.ts";
import { loadTokenizer } from "../../bindings/tokenizer/load.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import { storiesText } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";

const END = "<|endoftext|>";

/** What a stream shows, piece by piece. */
function streamed(ids: readonly number[], from = tokenizer): string[] {
  const stream = from.stream();
  return [...ids.map((id) => stream.push(id)), stream.end()];
}

const TEXTS = [
  "", " ", "  ", "\n", "Once upon a time", "The quick brown fox jumps over the lazy dog.", " leading and trailing ", "tabs\tand\nnew\r\nlines\n\n\n", "it's we'll they've I'd I'M DON'T",
  "naïve café Ünïcödé", "日本語のテキスト、漢字とかな。", "Привет мир", "\u{1F600}\u{1F468}\u200d\u{1F469}\u200d\u{1F467} emoji \u{1F3F4}\u{E0067}", "e\u0301 combining \u0915\u094d\u0937", "\ufeffbyte order mark\ufeff",
  "\u0000\u0001\u007f\u0085\u00a0\u2028\u3000", "1234567890 3.14159 1,000", "!!!???...---___", "a".repeat(300), "<|endoftex|> <|endoftext |> <| endoftext|>", "<|im_start|>",
];

describe("GPT-2's tokenizer", () => {
  it("gives the reference's ids", async () => {
    assert.deepEqual(tokenizer.encode("The quick brown fox"), [464, 2068, 7586, 21831]);
    assert.deepEqual(tokenizer.encode(" dog"), [3290]);
    assert.equal(tokenizer.decode([464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290]), "The quick brown fox jumps over the lazy dog");
    for (const { prompt, prompt_ids } of JSON.parse(await storiesText("expected.json")).greedy) assert.deepEqual(tokenizer.encode(prompt), prompt_ids);
    assert.equal(tokenizer.vocabSize, 50257);
  });

  it("gives gpt-tokenizer's ids, and the text back", () => {
    for (const text of TEXTS) {
      const ids = tokenizer.encode(text);
      assert.deepEqual(ids, gptTokenizer.encode(text, { disallowedSpecial: new Set() }), JSON.stringify(text));
      assert.equal(tokenizer.decode(ids), text);
      assert.equal(streamed(ids).join(""), text);
    }
  });

  it("gives a book's text back", async () => {
    const text = (await storiesText("validation.txt")).slice(0, 60_000);
    const ids = tokenizer.encode(text);
    assert.ok(ids.length < text.length / 3);
    assert.equal(tokenizer.decode(ids), text);
    assert.equal(streamed(ids).join(""), text);
  });

  it("takes every separator of a text for the separator", () => {
    assert.deepEqual(tokenizer.encode(END), [50256]);
    assert.deepEqual(tokenizer.encode(END + END), [50256, 50256]);
    assert.deepEqual(tokenizer.encode(`a${END}b${END} c${END}`), [64, 50256, 65, 50256, 269, 50256]);
    assert.equal(tokenizer.decode([64, 50256, 65]), `a${END}b`);
    assert.deepEqual(streamed([64, 50256, 65]), ["a", END, "b", ""]);
  });

  it("takes halves of surrogate pairs for U+FFFD", () => {
    for (const text of ["\ud800", "a\ud83db", "\ude00\ud83d", "\udfff "]) assert.equal(tokenizer.decode(tokenizer.encode(text)), text.replace(/[\ud800-\udfff]/g, "\ufffd"));
    assert.equal(tokenizer.decode(tokenizer.encode("\ud83d\ude00")), "\u{1F600}");
  });

  it("knows every token's bytes: each id, decoded alone and encoded, is a token or is part of a character", () => {
    const utf8 = new TextEncoder();
    let whole = 0;
    for (let id = 0; id < 50256; id++) {
      const text = tokenizer.decode([id]);
      const token = ranks[id];
      if (typeof token !== "string") continue;
      whole++;
      assert.deepEqual(utf8.encode(text), utf8.encode(token));
    }
    assert.ok(whole > 49_000);
    const bytes = new Set<string>();
    for (let id = 0; id < 256; id++) bytes.add(tokenizer.decode([id]));
    assert.ok(bytes.has("A") && bytes.has("\u0000") && bytes.has("\ufffd"));
  });

  it("never shows a broken character on the way", () => {
    const text = "\u{1F600}é漢\u{1F468}\u200d\u{1F469}";
    const ids = tokenizer.encode(text);
    const shown = streamed(ids);
    assert.ok(ids.length > text.length / 2);
    assert.ok(shown.includes(""), "some tokens show nothing yet");
    for (const piece of shown) assert.ok(!piece.includes("\ufffd"));
    assert.equal(shown.join(""), text);
  });

  it("shows U+FFFD for a character that the end leaves unfinished, or that another follows", () => {
    const [first] = tokenizer.encode("\u{1F600}");
    assert.deepEqual(streamed([first]), ["", "\ufffd"]);
    assert.equal(tokenizer.decode([first]), "\ufffd");
    assert.deepEqual(streamed([first, 64]), ["", "\ufffda", ""]);
    assert.deepEqual(streamed([first, 50256]), ["", "\ufffd" + END, ""]);
  });

  it("keeps streams apart, and a stream that ended is as new", () => {
    const ids = tokenizer.encode("\u{1F600}");
    const [a, b] = [tokenizer.stream(), tokenizer.stream()];
    let [textA, textB] = ["", ""];
    for (const id of ids) {
      textA += a.push(id);
      assert.equal(tokenizer.decode(tokenizer.encode("é")), "é");
      textB += b.push(id);
    }
    assert.equal(textA + a.end(), "\u{1F600}");
    assert.equal(textB + b.end(), "\u{1F600}");
    a.push(ids[0]);
    assert.equal(a.end(), "\ufffd");
    assert.equal(ids.map((id) => a.push(id)).join(""), "\u{1F600}");
  });

  it("encodes very long words as gpt-tokenizer would, in bearable time", { timeout: 60_000 }, () => {
    let state = 1;
    const random = (n: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n;
    const word = (alphabet: string[], length: number) => Array.from({ length }, () => alphabet[random(alphabet.length)]).join("");
    const alphabets = [["a", "b"], [..."etaoinshrdlu"], [..."日本é字"], [..."0123456789"], [..."!?#-="], ["\u{1F600}", "\u{1F601}"], ["a"], [" "], ["\n", " "], ["=", "-"]];
    for (const alphabet of alphabets) {
      for (const length of [999, 1000, 1001, 2500]) {
        const text = `x ${word(alphabet, length)} y${END}`;
        assert.deepEqual(tokenizer.encode(text), [...gptTokenizer.encode(text.slice(0, -END.length)), 50256], `${alphabet[0]} ${length}`);
      }
    }
    const huge = word([..."abcdefghijklmnopqrstuvwxyz"], 300_000);
    assert.equal(tokenizer.decode(tokenizer.encode(huge)), huge);
    const blank = " ".repeat(300_000);
    assert.equal(tokenizer.decode(tokenizer.encode(blank)), blank);
  });

  it("decodes arrays of every kind", () => {
    for (const ids of [[464, 2068], Uint32Array.of(464, 2068), Int32Array.of(464, 2068), Uint16Array.of(464, 2068)]) assert.equal(tokenizer.decode(ids), "The quick");
    assert.equal(tokenizer.decode([]), "");
    assert.equal(tokenizer.stream().end(), "");
  });

  it("refuses what is no text, and what is no id", () => {
    for (const text of [undefined, null, 3, ["a"], {}, new String("a"), Symbol("a")]) assert.throws(() => tokenizer.encode(text as string), { name: "KvasmError", code: "type", argument: "text" });
    for (const id of [-1, 50257, 1.5, NaN, Infinity, 2 ** 32]) {
      assert.throws(() => tokenizer.decode([464, id]), { code: "value", argument: "ids[1]" });
      assert.throws(() => tokenizer.stream().push(id), { code: "value", argument: "id" });
    }
    for (const id of [undefined, null, "464", 464n, [464], {}]) {
      assert.throws(() => tokenizer.decode([id as number]), { code: "type", argument: "ids[0]" });
      assert.throws(() => tokenizer.stream().push(id as number), { code: "type", argument: "id" });
    }
    for (const ids of [undefined, null, 464, "464", () => 1]) assert.throws(() => tokenizer.decode(ids as unknown as number[]), { code: "type", argument: "ids" });
  });
});

describe("the tokenizer of a model", () => {
  const text = (content: unknown): Uint8Array => new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content));
  const loaded = async (files: Record<string, unknown>, vocab_size = 99) => loadTokenizer(await resolveSource(Object.fromEntries(Object.entries(files).map(([name, content]) => [name, text(content)]))), { vocab_size });
  const load = async (files: Record<string, unknown>, vocab_size?: number) => (await loaded(files, vocab_size)).tokenizer;

  it("is GPT-2's where the vocabulary has its size and no other lies beside, else none", async () => {
    assert.equal((await load({}, 50257))!.decode([464]), "The");
    for (const size of [1, 331, 50256, 50258, 50304]) assert.equal(await load({}, size), null);
    // Another's, of the same size or not, is not read with GPT-2's.
    for (const name of ["vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"]) {
      for (const size of [50257, 99]) {
        const { tokenizer, note } = await loaded({ [name]: {} }, size);
        assert.equal(tokenizer, null);
        assert.ok(note!.includes(name), note);
      }
    }
    assert.equal(await load({ "merges.txt": "" }), null);
  });

  it("is not there if a store answers 401 or 403 for it, and is an error for other answers", async () => {
    const answering = (status: number) => resolveSource("https://host/model/", { fetch: () => Promise.resolve(new Response("", { status })) });
    for (const status of [401, 403, 404]) assert.deepEqual(await loadTokenizer(await answering(status), { vocab_size: 331 }), { tokenizer: null });
    await assert.rejects(loadTokenizer(await answering(500), { vocab_size: 331 }), { code: "source", value: 500 });
  });

  it("stops when the signal aborts", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(loadTokenizer(await resolveSource({ "tokenizer.json": text("{}") }), { vocab_size: 1 }, { signal }), /enough/);
  });

  /** GPT-2's own files, made from the ranks: a token's merge is of the two parts that the merges before it leave of its bytes. */
  function gpt2Files(): { vocab: Record<string, number>; merges: string } {
    const printed: string[] = [];
    for (let byte = 0, other = 256; byte < 256; byte++) {
      const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
      printed.push(String.fromCharCode(printable ? byte : other++));
    }
    const utf8 = new TextEncoder();
    const words = ranks.map((token) => Array.from(typeof token === "string" ? utf8.encode(token) : token, (byte) => printed[byte]).join(""));
    const vocab: Record<string, number> = Object.fromEntries(words.map((word, id) => [word, id]));
    const merges = words.flatMap((word, id) => {
      const parts = [...word];
      if (parts.length === 1) return [];
      while (parts.length > 2) {
        let best = id;
        let at = -1;
        for (let i = 0; i + 1 < parts.length; i++) {
          const rank = vocab[parts[i] + parts[i + 1]];
          if (rank < best) [best, at] = [rank, i];
        }
        parts.splice(at, 2, parts[at] + parts[at + 1]);
      }
      return [parts.join(" ")];
    });
    return { vocab: { ...vocab, [END]: 50256 }, merges: `#version: 0.2\n${merges.join("\n")}\n` };
  }

  it("is read from vocab.json and merges.txt, and from tokenizer.json: GPT-2's files give GPT-2's ids", { timeout: 60_000 }, async () => {
    const { vocab, merges } = gpt2Files();
    const json = {
      version: "1.0", truncation: null, padding: null, added_tokens: [{ id: 50256, content: END, single_word: false, lstrip: false, rstrip: false, normalized: true, special: true }],
      normalizer: null, pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true }, post_processor: { type: "ByteLevel", add_prefix_space: true, trim_offsets: false },
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true },
      model: { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: "", end_of_word_suffix: "", fuse_unk: false, vocab, merges: merges.trimEnd().split("\n").slice(1) },
    };
    const book = (await storiesText("validation.txt")).slice(0, 5000);
    for (const other of [(await load({ "vocab.json": vocab, "merges.txt": merges }, 50257))!, (await load({ "tokenizer.json": json }, 50257))!]) {
      assert.equal(other.vocabSize, 50257);
      for (const sample of [...TEXTS, `a${END}${END} b`, "a\ud83db", book]) {
        const ids = other.encode(sample);
        assert.deepEqual(ids, tokenizer.encode(sample), JSON.stringify(sample).slice(0, 80));
        assert.equal(other.decode(ids), tokenizer.decode(ids));
        assert.deepEqual(streamed(ids, other), streamed(ids));
      }
      assert.throws(() => other.decode([50257]), { code: "value" });
      assert.throws(() => other.encode(7 as unknown as string), { code: "type" });
    }
  });

  const small = {
    added_tokens: [{ id: 5, content: "[END]", special: true }], normalizer: { type: "Lowercase" }, pre_tokenizer: { type: "Whitespace" }, post_processor: null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: false }, model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab: { "[UNK]": 0, once: 1, upon: 2, a: 3, "##s": 4 } },
  };

  it("may be of another kind, whose tokens' text depends on their neighbours", async () => {
    const words = (await load({ "tokenizer.json": small }))!;
    assert.equal(words.vocabSize, 6);
    assert.deepEqual(words.encode("Once upon as zebras [END]"), [1, 2, 3, 4, 0, 5]);
    assert.equal(words.decode([1, 2, 3, 4]), "once upon as");
    assert.deepEqual(streamed([1, 2, 3, 4], words), ["once", " upon", " a", "s", ""]);
    assert.deepEqual(words.encode(""), []);
    assert.equal(words.decode([]), "");
    for (const id of [-1, 6, 0.5]) assert.throws(() => words.stream().push(id), { code: "value" });
  });

  it("may have whole words only", async () => {
    const json = { ...small, added_tokens: [], normalizer: null, decoder: null, model: { type: "WordLevel", unk_token: "[UNK]", vocab: { "[UNK]": 0, once: 1, upon: 2 } } };
    const words = (await load({ "tokenizer.json": json }))!;
    assert.deepEqual(words.encode("once upon zebras"), [1, 2, 0]);
    assert.equal(words.decode([1, 2]), "once upon");
    assert.deepEqual(streamed([1, 2, 1], words), ["once", " upon", " once", ""]);
    const strict = (await load({ "tokenizer.json": { ...json, added_tokens: [], model: { type: "WordLevel", vocab: { once: 0 } } } }))!;
    assert.throws(() => strict.encode("once upon"), { code: "tokenizer", argument: "text" });
  });

  it("may spell characters by their bytes, which are shown when they are whole", async () => {
    const vocab: Record<string, number> = { "<unk>": 0 };
    for (let byte = 0; byte < 256; byte++) vocab[`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`] = byte + 1;
    vocab["\u2581"] = 257;
    vocab.a = 258;
    const json = {
      pre_tokenizer: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "never", split: false },
      decoder: { type: "Sequence", decoders: [{ type: "Replace", pattern: { String: "\u2581" }, content: " " }, { type: "ByteFallback" }, { type: "Fuse" }] },
      model: { type: "BPE", unk_token: "<unk>", byte_fallback: true, vocab, merges: [] },
    };
    const fallback = (await load({ "tokenizer.json": json }))!;
    const ids = fallback.encode("a \u{1F600}a");
    assert.deepEqual(ids, [258, 257, 0xf0 + 1, 0x9f + 1, 0x98 + 1, 0x80 + 1, 258]);
    assert.deepEqual(streamed(ids, fallback), ["a", " ", "", "", "", "\u{1F600}", "a", ""]);
    assert.equal(streamed(ids.slice(0, 4), fallback).join(""), fallback.decode(ids.slice(0, 4)));
    const broken = Array.from({ length: 30 }, () => 0x80 + 1);
    assert.equal(streamed(broken, fallback).join(""), fallback.decode(broken));
  });

  it("is none if the library does not know its kind", async () => {
    assert.match((await loaded({ "tokenizer.json": { ...small, model: { ...small.model, type: "Quantum" } } })).note!, /^tokenizer: tokenizer\.json: model\.type is "Quantum", .+\.$/);
    for (const type of ["Quantum", "", "WordLevel2"]) assert.equal(await load({ "tokenizer.json": { ...small, model: { ...small.model, type } } }), null);
    assert.equal(await load({ "tokenizer.json": { ...small, pre_tokenizer: { type: "Unheard" } } }), null);
    assert.equal(await load({ "tokenizer.json": { ...small, decoder: { type: "Unheard" } } }), null);
  });

  it("is refused if its files are malformed, naming the file and the place", async () => {
    const refuses = async (files: Record<string, unknown>, ...words: string[]) => {
      await assert.rejects(load(files), (error: unknown) => {
        assert.ok(KvasmError.is(error), `not a KvasmError: ${String(error)}`);
        assert.equal(error.code, "tokenizer", error.message);
        for (const word of words) assert.ok(error.message.includes(word), `${JSON.stringify(word)} in: ${error.message}`);
        return true;
      });
    };
    for (const bad of ["", "{", "[]", "null", "<!DOCTYPE html>", '{"model": {}, "model": {}}', "{}", '{"model": 3}', '{"model": []}']) await refuses({ "tokenizer.json": bad }, "tokenizer.json");
    for (const added of [3, {}, "x", [3], [null], [{}], [{ content: "x" }], [{ id: 3 }], [{ id: -1, content: "x" }], [{ id: 1e9, content: "x" }], [{ id: "1", content: "x" }], [{ id: 1, content: "" }]]) {
      await refuses({ "tokenizer.json": { ...small, added_tokens: added } }, "added_tokens");
    }
    for (const id of [-1, 0.5, "0", null, 2 ** 24, 1e300, [0]]) {
      await refuses({ "tokenizer.json": { ...small, model: { ...small.model, vocab: { a: id } } } }, "tokenizer.json", '"a"');
      await refuses({ "vocab.json": { a: id }, "merges.txt": "" }, "vocab.json", '"a"');
    }
    for (const merges of [undefined, null, {}, "a b", [3], ["a"], ["a b c"], [["a"]], [["a", 3]], [["a", "b"], "a b"], ["a b", ["a", "b"]]]) {
      await refuses({ "tokenizer.json": { ...small, model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges } } }, "model.merges");
    }
    for (const type of ["BPE", "WordPiece", "WordLevel"]) for (const vocab of [undefined, null, 3, [["a", 1]]]) await refuses({ "tokenizer.json": { ...small, model: { ...small.model, type, vocab, merges: [] } } }, "model.vocab");
    for (const vocab of [undefined, {}, ["a"], [["a"]], [[1, 2]], [["a", "b"]]]) await refuses({ "tokenizer.json": { ...small, model: { type: "Unigram", vocab } } }, "model.vocab");
    await refuses({ "vocab.json": { a: 0, b: 0 }, "merges.txt": "" }, "vocab.json", '"b"', "own");
    await refuses({ "vocab.json": "[]", "merges.txt": "" }, "vocab.json");
    for (const line of ["a", "a b c", " a", "a ", "a  b", "a\tb"]) await refuses({ "vocab.json": { a: 0, b: 1, ab: 2 }, "merges.txt": `#version: 0.2\na b\n${line}\n` }, "merges.txt", "line 3");
    await refuses({ "vocab.json": { a: 0, b: 1 }, "merges.txt": "a b\n" }, "merges.txt", "line 1", '"ab"');
    await refuses({ "vocab.json": { a: 0, aa: 1 }, "merges.txt": "a a\nb a" }, "merges.txt", "line 2", '"b"');
  });
});
