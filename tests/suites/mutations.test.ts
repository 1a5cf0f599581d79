/** Files damaged in thousands of seeded ways: what comes is a KvasmError or a model, and never anything else. */
import { load } from "../../bindings/index.ts";
import { KvasmError } from "../../bindings/errors.ts";
import { loadTokenizer } from "../../bindings/tokenizer/load.ts";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { RecordingSink, TINY, bytesOf, headerOf, joinFile, pieces, safetensors, tinyEntries } from "../support/checkpoint.ts";
import { damagedBytes, damagedJson, pick, randomOf, sum, tally } from "../support/damage.ts";
import { assert, describe, it } from "../support/harness.ts";

const tiny = parseConfig(JSON.stringify(TINY));
const CONFIG_TEXT = JSON.stringify({
  ...TINY, activation_function: "gelu_new", layer_norm_epsilon: 1e-5, scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, reorder_and_upcast_attn: false,
  tie_word_embeddings: true, summary_type: "cls_index", task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } }, architectures: ["GPT2LMHeadModel"],
}, null, 1);
const ENTRIES = tinyEntries("transformer.", { dtype: "F16", head: true }).map((entry) => ({ ...entry, data: bytesOf(entry) }));
const GOOD = safetensors(ENTRIES);
const HEADER_BYTES = 8 + new DataView(GOOD.buffer).getUint32(0, true);
const INDEX = "model.safetensors.index.json";
const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

/** Of two kinds: byte by byte, and word by word. */
const TOKENIZERS = [
  {
    added_tokens: [{ id: 8, content: "<end>", special: true }], normalizer: { type: "NFC" }, pre_tokenizer: { type: "ByteLevel", add_prefix_space: false }, post_processor: { type: "ByteLevel" }, decoder: { type: "ByteLevel" },
    model: { type: "BPE", unk_token: "?", vocab: { a: 0, b: 1, ab: 2, "\u0120": 3, ba: 4, "\u0120ba": 5, "\u00c3": 6, "?": 7 }, merges: ["a b", "b a", "\u0120 ba"] },
  },
  {
    added_tokens: [{ id: 6, content: "<end>", special: true }], normalizer: { type: "Lowercase" }, pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Whitespace" }, { type: "Digits", individual_digits: true }] },
    post_processor: { type: "TemplateProcessing", single: [{ Sequence: { id: "A", type_id: 0 } }], pair: [], special_tokens: {} }, decoder: { type: "WordPiece", prefix: "##", cleanup: false },
    model: { type: "WordPiece", unk_token: "?", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab: { "?": 0, a: 1, ab: 2, b: 3, "##a": 4, "##b": 5 } },
  },
].map((json) => JSON.stringify(json));

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** A model's files with one of them damaged. */
function damagedModel(seed: number): ModelBytes {
  const random = randomOf(seed);
  switch (random(5)) {
    case 0: return { "config.json": encode(damagedJson(CONFIG_TEXT, random)), "model.safetensors": GOOD };
    case 1: return { "config.json": encode(CONFIG_TEXT), "model.safetensors": damagedBytes(GOOD, random, HEADER_BYTES) };
    case 2: return { "config.json": encode(CONFIG_TEXT), "model.safetensors": damagedBytes(GOOD, random) };
    case 3: return { "config.json": encode(CONFIG_TEXT), "model.safetensors": joinFile(damagedJson(JSON.stringify(headerOf(ENTRIES)), random), ENTRIES.map(bytesOf)) };
    default: {
      const cut = 1 + random(ENTRIES.length - 1);
      const index = JSON.stringify({ metadata: { total_size: 2000 }, weight_map: Object.fromEntries(ENTRIES.map(({ name }, i) => [name, SHARDS[i < cut ? 0 : 1]])) });
      return { "config.json": encode(CONFIG_TEXT), [INDEX]: encode(damagedJson(index, random)), [SHARDS[0]]: safetensors(ENTRIES.slice(0, cut)), [SHARDS[1]]: safetensors(ENTRIES.slice(cut)) };
    }
  }
}

describe("mutations", () => {
  it("of config.json give a config within its bounds, or a typed error", async () => {
    const { good, codes } = await tally(2000, 1, (seed) => {
      const config = parseConfig(damagedJson(CONFIG_TEXT, randomOf(seed)));
      for (const size of [config.n_layer, config.n_embd, config.n_head, config.n_inner, config.vocab_size, config.n_positions]) {
        if (!Number.isInteger(size) || size < 1 || size > 2 ** 26) throw new Error(`size ${size}`);
      }
      if (config.n_embd % config.n_head !== 0 || !(config.layer_norm_epsilon > 0 && config.layer_norm_epsilon < Infinity)) throw new Error("bounds");
    });
    assert.deepEqual([...codes.keys()].sort(), ["config", "unsupported"]);
    assert.ok(good > 100 && sum(codes) > 1000, `${good} good, ${sum(codes)} refused`);
  });

  it("of weights, their header and their index give all tensors whole, or a typed error", { timeout: 60_000 }, async () => {
    const whole = new RecordingSink();
    await (await openWeights(await resolveSource({ "model.safetensors": GOOD }), tiny)).stream(whole);
    const { good, codes } = await tally(1500, 10_000, async (seed) => {
      const files = damagedModel(seed);
      delete files["config.json"];
      if (seed % 5 === 0 && files["model.safetensors"] !== undefined) files["model.safetensors"] = pieces(files["model.safetensors"] as Uint8Array, 1 + seed % 97);
      const sink = new RecordingSink();
      await (await openWeights(await resolveSource(files), tiny)).stream(sink);
      for (const key of whole.tensors.keys()) {
        if (key.startsWith("lm_head") && !sink.tensors.has(key)) continue; // a tied model is whole without it
        if (sink.tensors.get(key)?.bytes.length !== whole.tensors.get(key)!.bytes.length) throw new Error(`${key} is not whole`);
      }
    });
    assert.ok(good > 100 && sum(codes) > 800, `${good} good, ${sum(codes)} refused`);
    assert.ok((codes.get("weights") ?? 0) > 800);
    for (const code of codes.keys()) assert.ok(["weights", "source", "unsupported"].includes(code), code);
  });

  it("of a model give one that computes, or a typed error", { timeout: 120_000 }, async () => {
    const { good, codes } = await tally(1200, 50_000, async (seed) => {
      const model = await load(damagedModel(seed));
      try {
        const logits = model.sequence().prefill([1, 2, 3]);
        if (logits.length !== model.config.vocab_size || !logits.every(Number.isFinite)) throw new Error("logits");
      } finally {
        model.dispose();
      }
    });
    assert.ok(good > 100 && sum(codes) > 800, `${good} good, ${sum(codes)} refused`);
    for (const code of codes.keys()) assert.ok(["config", "weights", "source", "unsupported", "non-finite"].includes(code), code);
  });

  it("of tokenizer.json give a tokenizer that converts, none, or a typed error", { timeout: 60_000 }, async () => {
    let none = 0;
    const { good, codes } = await tally(1500, 90_000, async (seed) => {
      const files = { "tokenizer.json": encode(damagedJson(pick(randomOf(seed), TOKENIZERS), randomOf(seed + 1))) };
      const { tokenizer, note } = await loadTokenizer(await resolveSource(files), { vocab_size: 11 });
      if (tokenizer === null && note !== undefined) return void none++;
      if (tokenizer === null) throw new Error("null without a note");
      const ids = tokenizer.encode("ab ba <end> \u00e9\u{1F600}");
      if (ids.some((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.vocabSize)) throw new Error(`ids ${ids}`);
      const stream = tokenizer.stream();
      const text = ids.map((id) => stream.push(id)).join("") + stream.end();
      if (typeof tokenizer.decode(ids) !== "string" || typeof text !== "string") throw new Error("no text");
    });
    assert.ok(good - none > 100 && none > 10 && sum(codes) > 300, `${good} good, ${none} none, ${sum(codes)} refused`);
    assert.deepEqual([...codes.keys()], ["tokenizer"]);
  });

  it("would be noticed: an error of another kind fails the tally, as does a reader that loses bytes", async () => {
    await assert.rejects(tally(1, 7, () => { throw new TypeError("mine"); }), /seed 7: TypeError: mine/);
    await assert.rejects(tally(1, 7, () => { throw new KvasmError("weights", "no"); }), /seed 7: no/);
    const sink = new RecordingSink();
    const place = { name: "wte.weight", tensor: 0, layer: 0 };
    sink.write(place, 0, 0, new Uint8Array(8));
    assert.throws(() => sink.write(place, 0, 3, new Uint8Array(4)), /after 8 bytes/);
    assert.throws(() => sink.write(place, 0, 2, new Uint8Array(3)), /whole elements/);
  });
});
