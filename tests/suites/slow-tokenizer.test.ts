/** Tokenizers of vocab.json and merges.txt, with the files that slow tokenizers had beside them. */
import { fromSlowFiles } from "../../bindings/tokenizer/slow-files.ts";
import type { SlowFiles } from "../../bindings/tokenizer/slow-files.ts";
import { vocabularyOf } from "../../bindings/tokenizer/vocabulary.ts";
import { byteCharacters } from "../../bindings/tokenizer/byte-alphabet.ts";
import { load } from "../../bindings/index.ts";
import { TINY, tinyModel } from "../support/checkpoint.ts";
import { throwsKvasm } from "../support/errors.ts";
import { repositoryFile } from "../support/files.ts";
import { assert, before, describe, it } from "../support/harness.ts";

/** The bytes, three merges and an end of text: ids 256 to 259. */
const WORDS = [...byteCharacters(), "Hi", "in", "ing", "<|endoftext|>"];
const VOCABULARY = Object.fromEntries(WORDS.map((word, id) => [word, id]));
const MERGES = "#version: 0.2\nH i\ni n\nin g\n";

type Files = Record<string, object>;
const read = (files: Files, more: Partial<SlowFiles> = {}) => {
  const text = (name: string): string | null => files[name] === undefined ? null : JSON.stringify(files[name]);
  return fromSlowFiles({ vocabulary: JSON.stringify(VOCABULARY), merges: MERGES, config: text("tokenizer_config.json"), added: text("added_tokens.json"), special: text("special_tokens_map.json"), ...more });
};

/** Files, and per text its ids and the text of these, by transformers 5.24's AutoTokenizer with tokenizers 0.23.3 (no special tokens added). */
const REFERENCE: readonly [name: string, files: Files, rows: readonly [text: string, ids: number[], back: string][]][] = [
  ["plain", {}, [
    ["Hi<|endoftext|>ing", [256, 259, 258], "Hi<|endoftext|>ing"],
  ]],
  ["added_tokens", {"added_tokens.json": {"<|user|>": 260, "<|end|>": 261}}, [
    ["<|user|>Hi<|end|>", [260, 256, 261], "<|user|>Hi<|end|>"],
    ["a <|user|> b", [97, 32, 260, 32, 98], "a <|user|> b"],
    ["x<|user|>x", [120, 260, 120], "x<|user|>x"],
  ]],
  ["decoder flags", {"tokenizer_config.json": {"added_tokens_decoder": {"259": {"content": "<|endoftext|>", "lstrip": false, "rstrip": false, "single_word": false, "normalized": false, "special": true}, "260": {"content": "<|user|>", "lstrip": true, "rstrip": false, "single_word": false, "normalized": false, "special": true}, "261": {"content": "ng", "lstrip": false, "rstrip": false, "single_word": true, "normalized": false, "special": true}, "262": {"content": "<m>", "lstrip": false, "rstrip": true, "single_word": false, "normalized": false, "special": false}, "263": {"content": "tok", "lstrip": false, "rstrip": false, "single_word": false, "normalized": true, "special": false}}}}, [
    ["Hi <|user|> Hi", [256, 260, 32, 256], "Hi<|user|> Hi"],
    ["dancing ng ng! xng", [100, 97, 110, 99, 258, 32, 261, 32, 261, 33, 32, 120, 110, 103], "dancing ng ng! xng"],
    ["a <m>  b", [97, 32, 262, 98], "a <m>b"],
    ["a tok btok", [97, 32, 263, 32, 98, 263], "a tok btok"],
  ]],
  ["special map", {"special_tokens_map.json": {"eos_token": "ing", "pad_token": {"content": "Hi", "lstrip": true, "rstrip": false, "single_word": false, "normalized": false}}, "tokenizer_config.json": {"eos_token": "ing"}}, [
    ["going  Hi there Hi", [103, 111, 258, 256, 32, 116, 104, 101, 114, 101, 256], "goingHi thereHi"],
  ]],
  ["new special", {"special_tokens_map.json": {"pad_token": "[PAD]", "additional_special_tokens": ["<a>", "<b>"]}}, [
    ["[PAD] <a>x<b> [PAD]", [260, 32, 261, 120, 262, 32, 260], "[PAD] <a>x<b> [PAD]"],
  ]],
  ["config special", {"tokenizer_config.json": {"pad_token": "[PAD]", "additional_special_tokens": ["<a>"], "bos_token": "<s>"}}, [
    ["[PAD]<a> <s><|endoftext|>", [261, 262, 32, 260, 259], "[PAD]<a> <s><|endoftext|>"],
  ]],
  ["prefix", {"tokenizer_config.json": {"add_prefix_space": true}, "added_tokens.json": {"<u>": 260}}, [
    ["Hi", [32, 256], " Hi"],
    ["Hi<u>Hi", [32, 256, 260, 32, 256], " Hi<u> Hi"],
    [" Hi<u> Hi", [32, 256, 260, 32, 256], " Hi<u> Hi"],
  ]],
  ["special in added", {"added_tokens.json": {"[PAD]": 260, "word": 261}, "special_tokens_map.json": {"pad_token": "[PAD]"}}, [
    ["Hi [PAD] word password", [256, 32, 260, 32, 261, 32, 112, 97, 115, 115, 261], "Hi [PAD] word password"],
  ]],
];

/** `tail`: of the vocabulary, after the bytes. */
let recorded: { tail: string[]; files: Files; texts: [text: string, ids: number[]][] }[];

before(async () => {
  recorded = JSON.parse(new TextDecoder().decode(await repositoryFile("tests/fixtures/slow-tokenizers.json")));
});

describe("a slow tokenizer's files", () => {
  for (const [name, files, rows] of REFERENCE) {
    it(`give the reference's ids and text: ${name}`, () => {
      const { tokenizer, note } = read(files);
      assert.ok(tokenizer !== null, note);
      for (const [text, ids, back] of rows) {
        assert.deepEqual(tokenizer.encode(text), ids, text);
        assert.equal(tokenizer.decode(ids), back, text);
      }
    });
  }

  it("give transformers' ids for 60 random sets of files (tests/tokenizers/slow_files.py), of which none is left out", () => {
    assert.equal(recorded.length, 60);
    for (const { tail, files, texts } of recorded) {
      const vocabulary = JSON.stringify(Object.fromEntries([...byteCharacters(), ...tail].map((word, id) => [word, id])));
      const { tokenizer, note } = read(files, { vocabulary, merges: `${MERGES}\u0120 H\n` });
      assert.ok(tokenizer !== null, note);
      for (const [text, ids] of texts) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify([text, files]));
    }
  });

  it("name no token beyond the embedding's rows that no file gives an id", () => {
    const files = { "special_tokens_map.json": { pad_token: "[PAD]" } };
    const given = (rows: number) => fromSlowFiles({ vocabulary: JSON.stringify(VOCABULARY), merges: MERGES, config: null, added: null, special: JSON.stringify(files["special_tokens_map.json"]) }, rows).tokenizer!;
    assert.deepEqual(given(261).encode("[PAD]"), [260]);
    assert.deepEqual(given(260).encode("[PAD]"), [..."[PAD]"].map((character) => VOCABULARY[character]));
    throwsKvasm(() => given(260).decode([260]), "value", "ids[0]");
  });

  it("are written to GGUF where one list of tokens can stand for them", async () => {
    const plain = (await vocabularyOf(read({ "added_tokens.json": { "<|user|>": 260 } }).tokenizer!))!;
    assert.deepEqual([...plain.added].map(([id, { special }]) => [id, plain.tokens[id], special]), [[260, "<|user|>", false], [259, "<|endoftext|>", true]]);
    // "a|>" begins before "|>x" and overlaps it, but is looked for after it; and one takes white space along.
    const special = { "special_tokens_map.json": { pad_token: "|>x" }, "added_tokens.json": { "a|>": 260 } };
    assert.equal(await vocabularyOf(read(special).tokenizer!), null);
    assert.equal(await vocabularyOf(read({ "special_tokens_map.json": { pad_token: { content: "[PAD]", lstrip: true } } }).tokenizer!), null);
  });

  it("may have been written on Windows", () => {
    const { tokenizer } = read({}, { vocabulary: `\ufeff${JSON.stringify(VOCABULARY, null, 1).replaceAll("\n", "\r\n")}`, merges: `\ufeff${MERGES.replaceAll("\n", "\r\n")}` });
    assert.deepEqual(tokenizer!.encode("Hi in"), [256, 32, 257]);
  });

  it("whose ids transformers would not give are none, with the reason", () => {
    const { tokenizer, note } = read({ "added_tokens.json": { "<u>": 270 } });
    assert.equal(tokenizer, null);
    assert.match(note!, /"<u>" the id 270.* 260/);
    assert.match(read({ "tokenizer_config.json": { tokenizer_class: "XLMTokenizer" } }).note!, /tokenizer_class is "XLMTokenizer"/);
  });

  it("that are malformed are errors that name the file", () => {
    const bad: [Files, string][] = [
      [{ "added_tokens.json": { "<u>": -1 } }, "added_tokens.json"], [{ "added_tokens.json": { "<u>": "260" } }, "added_tokens.json"],
      [{ "tokenizer_config.json": { added_tokens_decoder: [] } }, "added_tokens_decoder"], [{ "tokenizer_config.json": { added_tokens_decoder: { x: {} } } }, "added_tokens_decoder"],
      [{ "tokenizer_config.json": { added_tokens_decoder: { 260: {} } } }, "added_tokens_decoder"], [{ "tokenizer_config.json": { add_prefix_space: "yes" } }, "add_prefix_space"],
      [{ "tokenizer_config.json": { pad_token: 3 } }, "pad_token"], [{ "special_tokens_map.json": { eos_token: [] } }, "special_tokens_map.json"],
    ];
    for (const [files, word] of bad) assert.match(throwsKvasm(() => read(files), "tokenizer").message, new RegExp(word.replace(".", "\\.")), JSON.stringify(files));
    throwsKvasm(() => read({}, { added: "[" }), "tokenizer");
  });

  it("belong to a model: its texts have the added tokens' words", async () => {
    const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    const model = await load({ ...tinyModel(), "vocab.json": json(VOCABULARY), "merges.txt": new TextEncoder().encode(MERGES), "added_tokens.json": json({ "<|user|>": 260 }) });
    assert.deepEqual(model.tokenizer!.encode("<|user|>Hi"), [260, 256]);
    assert.equal(model.tokenizer!.decode([260, 256]), "<|user|>Hi");
    assert.ok(TINY !== undefined);
    model.dispose();
  });
});
