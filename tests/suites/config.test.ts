import { KvasmError } from "../../bindings/errors.ts";
import { Activation } from "../../bindings/wasm/exports.ts";
import { activationIndex } from "../../bindings/weights/config.ts";
import { parseConfig } from "../support/config.ts";
import { parseJsonObject, pythonJson } from "../../bindings/files/json.ts";
import { fixtureText, storiesText } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";

const parse = (fields: object) => parseConfig(JSON.stringify(fields));

/** Asserts a KvasmError of this code whose argument is the field and whose message says what all of `words` say. */
function refuses(text: string, code: string, argument: string, ...words: (string | RegExp)[]): void {
  assert.throws(() => parseConfig(text), (error: unknown) => {
    assert.ok(KvasmError.is(error), `${text.slice(0, 80)}: not a KvasmError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.equal(error.argument, argument, error.message);
    for (const word of words) assert.match(error.message, typeof word === "string" ? new RegExp(word.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&")) : word);
    return true;
  });
}

const SMALL = {
  n_layer: 12, n_embd: 768, n_head: 12, n_inner: 3072, vocab_size: 50257, n_positions: 1024, activation_function: "gelu_new",
  layer_norm_epsilon: 1e-5, scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, reorder_and_upcast_attn: false,
  tie_word_embeddings: true, bos_token_id: 50256, eos_token_id: 50256,
};

describe("config.json", () => {
  it("has GPT-2 small's values for absent fields", () => {
    assert.deepEqual(parse({}), SMALL);
    assert.deepEqual(parse({ model_type: "gpt2" }), SMALL);
  });

  it("reads what is published, with fields that concern training or other tasks", () => {
    const published = {
      activation_function: "gelu_new", architectures: ["GPT2LMHeadModel"], attn_pdrop: 0.1, bos_token_id: 50256, embd_pdrop: 0.1,
      eos_token_id: 50256, initializer_range: 0.02, layer_norm_epsilon: 1e-5, model_type: "gpt2", n_ctx: 512, n_embd: 1280, n_head: 20,
      n_layer: 36, n_positions: 1024, resid_pdrop: 0.1, summary_activation: null, summary_first_dropout: 0.1, summary_proj_to_labels: true,
      summary_type: "cls_index", summary_use_proj: true, task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
      vocab_size: 50257, torch_dtype: "float32", dtype: "float32", use_cache: true, transformers_version: "5.23.0", id2label: { 0: "A" },
      _name_or_path: "somewhere", gradient_checkpointing: false, quantization_config: null, add_cross_attention: false,
    };
    assert.deepEqual(parse(published), { ...SMALL, n_embd: 1280, n_head: 20, n_layer: 36, n_inner: 5120 });
  });

  it("reads the reference checkpoints' own", async () => {
    const base = parseConfig(await fixtureText("base/config.json"));
    assert.deepEqual([base.n_layer, base.n_embd, base.n_head, base.n_inner, base.vocab_size, base.n_positions], [3, 64, 4, 256, 331, 64]);
    assert.equal(base.eos_token_id, 330);
    const stories = parseConfig(await storiesText("config.json"));
    assert.deepEqual([stories.n_layer, stories.n_embd, stories.n_inner, stories.n_positions], [6, 192, 768, 512]);
    assert.equal(parseConfig(await fixtureText("odd/config.json")).n_inner, 100);
    assert.equal(parseConfig(await fixtureText("untied/config.json")).tie_word_embeddings, false);
    assert.equal(parseConfig(await fixtureText("no-scale/config.json")).scale_attn_weights, false);
    assert.equal(parseConfig(await fixtureText("inverse-layer/config.json")).scale_attn_by_inverse_layer_idx, true);
    assert.equal(parseConfig(await fixtureText("reorder-upcast/config.json")).reorder_and_upcast_attn, true);
    assert.equal(parseConfig(await fixtureText("epsilon-large/config.json")).layer_norm_epsilon, 0.1);
  });

  it("takes n_inner null or absent for four times the width, and does not read n_ctx", () => {
    assert.equal(parse({ n_embd: 24, n_head: 2, n_inner: null }).n_inner, 96);
    assert.equal(parse({ n_embd: 24, n_head: 2 }).n_inner, 96);
    assert.equal(parse({ n_embd: 24, n_head: 2, n_inner: 7 }).n_inner, 7);
    assert.equal(parse({ n_ctx: -3 }).n_positions, 1024);
  });

  it("accepts transformers' second names for sizes", () => {
    const config = parse({ hidden_size: 24, num_hidden_layers: 2, num_attention_heads: 3, max_position_embeddings: 16, n_embd: 24 });
    assert.deepEqual([config.n_embd, config.n_layer, config.n_head, config.n_positions], [24, 2, 3, 16]);
  });

  it("accepts a byte order mark", () => {
    assert.equal(parseConfig("\ufeff" + JSON.stringify({ n_layer: 2 })).n_layer, 2);
  });

  it("may have Python's NaN, Infinity and -Infinity in fields that do not matter", () => {
    for (const value of ["NaN", "Infinity", "-Infinity", "[NaN, 1]", '{"x": -Infinity, "y": {"z": [NaN]}}']) {
      for (const text of [`{"n_layer": 2, "attn_pdrop": ${value}}`, `{"attn_pdrop":${value},"n_layer":2}`, `{"a": ["NaN", ${value}], "b": "\\"NaN, ", "n_layer": 2}`]) assert.deepEqual(parseConfig(text), parse({ n_layer: 2 }), text);
    }
    assert.equal(parseConfig('{"activation_function": "gelu", "x": NaN, "NaN": "Infinity"}').activation_function, "gelu");
    assert.deepEqual(parseJsonObject('{"a": NaN, "b": [Infinity, -Infinity], "NaN": "-Infinity", "c": ["NaN"]}', "x", "config", "python"), { a: NaN, b: [Infinity, -Infinity], NaN: "-Infinity", c: ["NaN"] });
    const written = { a: NaN, b: [Infinity, { c: -Infinity }], d: 'NaN "Infinity"', e: 1 };
    assert.deepEqual(parseJsonObject(pythonJson(written), "x", "config", "python"), written);
    assert.equal(pythonJson({ a: NaN }), '{\n  "a": NaN\n}');
    assert.throws(() => parseJsonObject('{"a": NaN}', "x", "weights"), { code: "weights" }); // Python does not write those
  });

  it("takes ids outside the vocabulary for none", () => {
    assert.equal(parse({ vocab_size: 61 }).bos_token_id, null);
    assert.equal(parse({ vocab_size: 61 }).eos_token_id, null);
    assert.equal(parse({ vocab_size: 61, bos_token_id: 50256 }).bos_token_id, null);
    assert.equal(parse({ vocab_size: 61, bos_token_id: 60, eos_token_id: 61 }).bos_token_id, 60);
    assert.equal(parse({ vocab_size: 61, bos_token_id: 60, eos_token_id: 61 }).eos_token_id, null);
    assert.deepEqual(parse({ vocab_size: 61, eos_token_id: [3, 61, 5, 3] }).eos_token_id, [3, 5]);
    assert.equal(parse({ vocab_size: 61, eos_token_id: [61] }).eos_token_id, null);
    assert.equal(parse({ eos_token_id: [] }).eos_token_id, null);
    for (const id of [-1, -100, 61, 50256, 2 ** 40]) {
      assert.equal(parse({ vocab_size: 61, eos_token_id: id }).eos_token_id, null);
      assert.equal(parse({ vocab_size: 61, bos_token_id: id }).bos_token_id, null);
      assert.equal(parse({ vocab_size: 61, eos_token_id: [id] }).eos_token_id, null);
      assert.deepEqual(parse({ vocab_size: 61, eos_token_id: [3, id, 5] }).eos_token_id, [3, 5]);
    }
    assert.equal(parse({ bos_token_id: null, eos_token_id: null }).eos_token_id, null);
    assert.equal(parse({ bos_token_id: null, eos_token_id: null }).bos_token_id, null);
    assert.equal(parse({ bos_token_id: 0 }).bos_token_id, 0);
  });

  it("knows each of Hugging Face's activations that GPT-2 can have", () => {
    const expected = {
      gelu_new: "gelu_tanh", gelu_pytorch_tanh: "gelu_tanh", gelu_accurate: "gelu_tanh", gelu_fast: "gelu_tanh", gelu: "gelu_erf",
      quick_gelu: "quick_gelu", relu: "relu", silu: "silu", swish: "silu", tanh: "tanh",
    };
    for (const [name, meaning] of Object.entries(expected)) {
      assert.equal(activationIndex(parse({ activation_function: name })), Activation[meaning as Activation]);
    }
  });
});

describe("a config.json that cannot be", () => {
  it("is refused if it is not a JSON object", () => {
    for (const text of ["null", "[]", "[{}]", "3", '"gpt2"', "true"]) refuses(text, "config", "config.json", "expected a JSON object");
    for (const text of ["{", "{}{}", "{'n_layer': 2}", '{"n_layer": 2,}', '{"n_layer": 012}', "undefined", "\u0000", "n_layer: 2", '{NaN: 2}', '{"x": nan}', '{"x": -NaN}', '{"x": +Infinity}', '{"x": NaN2}', '{"x": inf}', '{"x": "NaN}']) {
      refuses(text, "config", "config.json", "not JSON");
    }
    refuses("", "config", "config.json", "empty");
    refuses(" \n", "config", "config.json", "empty");
  });

  it("is recognised for what it is instead", () => {
    refuses("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 665\n", "config", "config.json", "Git LFS", "git lfs pull");
    refuses("<!DOCTYPE html><html><body>Sign in</body></html>", "config", "config.json", "web page");
    refuses("PK\u0003\u0004…", "config", "config.json", "zip");
    refuses("GGUF\u0003", "config", "config.json", "GGUF");
  });

  it("is refused with a key twice, wherever", () => {
    refuses('{"n_layer": 2, "n_layer": 3}', "config", "config.json", '"n_layer"', "twice");
    refuses('{"n_layer": 2, "\\u006e_layer": 3}', "config", "config.json", '"n_layer"');
    refuses('{"x": [{"a": {"b": 1, "b": 1}}]}', "config", "config.json", '"b"');
    refuses('{"": 1, "": 1}', "config", "config.json", "twice");
    // The same key in two objects, or as a value, is none.
    assert.equal(parseConfig('{"a": {"n_layer": 1}, "b": [{"n_layer": 1}, "n_layer", {"n_layer": 1}], "n_layer": 2, "c": "n_layer\\\\\\"{,"}').n_layer, 2);
  });

  it("is refused with a number that is none where it matters, as Python writes it", () => {
    for (const value of ["NaN", "Infinity", "-Infinity"]) {
      for (const field of ["n_layer", "n_embd", "n_head", "n_inner", "vocab_size", "n_positions", "layer_norm_epsilon", "bos_token_id", "eos_token_id", "scale_attn_weights", "activation_function"]) {
        refuses(`{"${field}": ${value}}`, "config", field, `got ${value}`);
      }
      refuses(`{"eos_token_id": [1, ${value}]}`, "config", "eos_token_id", `got ${value}`);
      refuses(`{"model_type": ${value}}`, "unsupported", "model_type", value);
      refuses(`{"a": ${value}, "n_layer": 2, "n_layer": 3}`, "config", "config.json", "twice");
    }
  });

  it("is refused with a size that is none, naming the field and the value", () => {
    const bad: [unknown, string | RegExp][] = [
      [0, "got 0"], [-1, "got -1"], [1.5, "got 1.5"], ["12", 'got "12"'], [true, "got true"], [[], "array of 0"], [{}, "got object"], [1e300, "got 1e+300"],
      [2 ** 53, "got 9007199254740992"], [-1e-300, "got -1e-300"],
    ];
    for (const field of ["n_layer", "n_embd", "n_head", "n_inner", "vocab_size", "n_positions"]) {
      for (const [value, shown] of bad) refuses(JSON.stringify({ [field]: value }), "config", field, field, shown, "integer from 1 to");
      refuses(`{"${field}": 1e999}`, "config", field, "Infinity");
      refuses(`{"${field}": -0}`, "config", field, "-0");
      if (field !== "n_inner") refuses(JSON.stringify({ [field]: null }), "config", field, "integer from 1 to");
    }
    for (const field of ["hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"]) refuses(JSON.stringify({ [field]: -2 }), "config", field, "got -2");
  });

  it("is refused with two names of one size that differ", () => {
    refuses('{"n_embd": 24, "hidden_size": 48, "n_head": 2}', "config", "hidden_size", "n_embd (24)", "got 48");
  });

  it("is refused with heads that do not divide the width", () => {
    refuses('{"n_embd": 64, "n_head": 5}', "config", "n_head", "divisor of n_embd (64)", "got 5");
    refuses('{"n_embd": 5}', "config", "n_head", "got 12");
  });

  it("is refused with an epsilon that is none", () => {
    for (const value of [0, -1e-5, 1e-40, 1e300, "1e-5", null, true, []]) refuses(JSON.stringify({ layer_norm_epsilon: value }), "config", "layer_norm_epsilon", "1e-30");
    refuses('{"layer_norm_epsilon": 1e999}', "config", "layer_norm_epsilon", "Infinity");
  });

  it("is refused with a switch that is neither true nor false", () => {
    for (const field of ["scale_attn_weights", "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "tie_word_embeddings"]) {
      for (const value of [0, 1, "false", null, {}]) refuses(JSON.stringify({ [field]: value }), "config", field, "true or false");
    }
  });

  it("is refused with token ids that are none", () => {
    for (const field of ["bos_token_id", "eos_token_id"]) {
      for (const value of [0.5, "50256", true, {}, 1e300, -1e300]) refuses(JSON.stringify({ [field]: value }), "config", field, "token id");
    }
    refuses('{"bos_token_id": [1]}', "config", "bos_token_id", "array of 1");
    refuses('{"eos_token_id": [1, -0.5]}', "config", "eos_token_id", "got -0.5");
    refuses('{"eos_token_id": [[1]]}', "config", "eos_token_id", "array of 1");
  });

  it("is refused with an activation that kvasm does not have, listing those that it has", () => {
    refuses('{"activation_function": "mish"}', "unsupported", "activation_function", '"mish"', "gelu_new, gelu_pytorch_tanh, gelu_accurate, gelu_fast, gelu, quick_gelu, relu, silu, swish, tanh");
    for (const name of ["GELU", "", "constructor", "__proto__", "gelu_new "]) refuses(JSON.stringify({ activation_function: name }), "unsupported", "activation_function");
    for (const value of [null, 1, ["gelu"]]) refuses(JSON.stringify({ activation_function: value }), "config", "activation_function", "name");
    assert.throws(() => activationIndex({ activation_function: "toString" }), { code: "unsupported" });
  });

  it("is refused for another kind of model", () => {
    for (const type of ["llama", "gpt_neo", "openai-gpt", "GPT2", "", 2]) refuses(JSON.stringify({ model_type: type }), "unsupported", "model_type", "GPT-2");
    refuses('{"add_cross_attention": true}', "unsupported", "add_cross_attention");
    refuses('{"is_encoder_decoder": true}', "unsupported", "is_encoder_decoder");
    refuses('{"quantization_config": {"bits": 4}}', "unsupported", "quantization_config", "quantised");
  });

  it("is refused, and quickly, if it nests without end", () => {
    refuses("[".repeat(1e6), "config", "config.json");
    refuses('{"a":'.repeat(1e5), "config", "config.json");
  });
});
