/** GGUF on its way out: what llama.cpp's quantize_row_*_ref make of the numbers, int4 as it is, and back in again. */
import { load } from "../../bindings/model/load.ts";
import type { LoadOptions } from "../../bindings/model/load.ts";
import type { Model } from "../../bindings/model/model.ts";
import { gpt2Tokenizer } from "../../bindings/tokenizer/gpt2.ts";
import { fromSlowFiles } from "../../bindings/tokenizer/slow-files.ts";
import { vocabularyOf } from "../../bindings/tokenizer/vocabulary.ts";
import { ByteReader } from "../../bindings/files/bytes.ts";
import { readGgufHeader } from "../../bindings/weights/gguf/header.ts";
import { encodeF16, encodeQ4_0, encodeQ8_0 } from "../../bindings/convert/gguf/quantize.ts";
import { writeGguf } from "../../bindings/convert/gguf/write.ts";
import type { GgufType } from "../../bindings/convert/gguf/write.ts";
import { dequantized, quantizedQ4_0, quantizedQ8_0, toHalf } from "../support/blocks.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { GGML, ggufOf } from "../support/gguf.ts";
import { ggufSource } from "../support/gguf-source.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { withConfig, withTensors } from "../support/reference-edit.ts";
import { checkpointFiles } from "../support/reference.ts";

async function using<T>(source: object, options: LoadOptions, use: (model: Model) => T | Promise<T>): Promise<T> {
  const model = await load(source as Files, options);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

async function written(model: Model, type: GgufType): Promise<{ file: Uint8Array<ArrayBuffer>; notes: readonly string[] }> {
  const { size, notes, chunks } = await writeGguf(ggufSource(model), type);
  const file = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks()) {
    file.set(chunk, at);
    at += chunk.length;
  }
  assert.equal(at, size);
  return { file, notes };
}

const logitsOf = (source: object, options: LoadOptions = {}): Promise<Float32Array> => using(source, options, (model) => model.sequence().prefill(someIds(9, model.config.vocab_size)));

const write = (source: object, type: GgufType, options: LoadOptions = {}) => using(source, options, (model) => written(model, type));

/** F32 numbers of every size, signs and ties included. */
function numbers(count: number): Float32Array {
  let state = 99;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return Float32Array.from({ length: count }, (_, i) => {
    const block = Math.floor(i / 32) % 9;
    if (block === 0) return 0;
    if (block === 1) return (Math.floor(next() * 255) - 127) / 2; // ties of int8 at a scale of 1/2 …
    if (block === 2) return i % 32 === 0 ? 127 : Math.floor(next() * 254) / 2 - 63.5;
    if (block === 3) return i % 32 === 5 ? -8 : Math.floor(next() * 31) / 2 - 7.5; // … and of int4
    if (block === 4) return (next() - 0.5) * 1e-35;
    if (block === 5) return (next() - 0.5) * 1e-6;
    if (block === 6) return i % 2 ? -0.25 : 0.25; // equals: the first one counts
    return (next() - 0.5) * 10 ** (8 * next() - 4);
  });
}

/** The bytes of each tensor of a file. */
async function storedTensors(file: Uint8Array<ArrayBuffer>): Promise<Map<string, Uint8Array>> {
  const reader = new ByteReader({ stream: new Blob([file]).stream(), size: file.length }, "a file", "a test", undefined);
  const { tensors, padding } = await readGgufHeader(reader, "a file", new Set());
  const start = reader.position + padding;
  await reader.cancel();
  return new Map(tensors.map(({ name, begin, end }) => [name, file.subarray(start + begin, start + end)]));
}

describe("GGUF: from f32", () => {
  it("Q8_0, Q4_0 and F16 have the bits of a scalar reference", () => {
    const values = numbers(32 * 9 * 40);
    const compare = (bytes: number, encode: (values: Float32Array, out: DataView, at: number) => boolean, truth: Uint8Array): void => {
      const out = new Uint8Array(bytes + 8).fill(0xaa);
      assert.equal(encode(values, new DataView(out.buffer), 4), true);
      assert.deepEqual(out.subarray(4, 4 + bytes), truth);
      assert.deepEqual([...out.subarray(0, 4), ...out.subarray(4 + bytes)], Array(8).fill(0xaa));
    };
    compare(values.length / 32 * 34, encodeQ8_0, quantizedQ8_0(values));
    compare(values.length / 32 * 18, encodeQ4_0, quantizedQ4_0(values));
    compare(values.length * 2, encodeF16, new Uint8Array(Uint16Array.from(values, toHalf).buffer));
  });

  it("numbers too small for a scale's inverse become zeros", () => {
    const out = new Uint8Array(34);
    const tiny = Float32Array.from({ length: 32 }, (_, i) => (i - 16) * 1e-42);
    assert.equal(encodeQ8_0(tiny, new DataView(out.buffer), 0), true);
    assert.deepEqual([...out], Array(34).fill(0));
    assert.equal(encodeQ4_0(tiny, new DataView(out.buffer), 0), true);
    assert.deepEqual([...out.subarray(2, 18)], Array(16).fill(0x88)); // 8 stands for 0
  });

  it("numbers that no binary16 can scale are refused", () => {
    const out = new DataView(new ArrayBuffer(64));
    const large = new Float32Array(32).fill(1e38);
    assert.equal(encodeQ8_0(large, out, 0), false);
    assert.equal(encodeQ4_0(large, out, 0), false);
    assert.equal(encodeF16(Float32Array.of(65519), out, 0), true);
    assert.equal(encodeF16(Float32Array.of(65520), out, 0), false);
    assert.equal(encodeQ8_0(large.fill(65519 * 127), out, 0), true);
  });
});

describe("GGUF: written and read", () => {
  it("F32 is the model itself: the same bits, tied or not", async () => {
    for (const folder of ["base", "untied", "odd"] as const) {
      const files = await checkpointFiles(folder);
      const { file, notes } = await write(files, "F32");
      assert.deepEqual(notes, []);
      sameBits(await logitsOf({ "x.gguf": file }), await logitsOf(files), folder);
    }
  });

  it("F16 of a checkpoint in F16 is the model itself, and the file half as large", async () => {
    const files = await checkpointFiles("base-f16");
    const { file } = await write(files, "F16");
    const whole = await write(files, "F32");
    assert.ok(file.length < 0.6 * whole.file.length);
    // Positions, norms and biases are F32, which F16 widens to.
    sameBits(await logitsOf({ "x.gguf": file }), await logitsOf(files));
  });

  for (const [type, encode] of [["Q8_0", quantizedQ8_0], ["Q4_0", quantizedQ4_0]] as const) {
    it(`${type} has the blocks that the numbers give, in llama.cpp's layout`, async () => {
      const files = await checkpointFiles("base");
      const { file } = await write(files, type);
      const wanted = ggufOf(files, (name, { shape, bytes }) => {
        return shape.length === 2 && name !== "position_embd.weight" ? { type: GGML[type], data: encode(new Float32Array(bytes.buffer)) } : undefined;
      });
      sameBits(await logitsOf({ "x.gguf": file }, { weights: "f32" }), await logitsOf({ "x.gguf": wanted }, { weights: "f32" }), "f32");
      for (const weights of ["q8", "q4"] as const) sameBits(await logitsOf({ "x.gguf": file }, { weights }), await logitsOf({ "x.gguf": wanted }, { weights }), weights);
      differentBits(await logitsOf({ "x.gguf": file }, { weights: "f32" }), await logitsOf(files), "what was quantised");
    });
  }

  it("int4 goes out as Q4_0 and comes in again with the same bits, and so does its file", async () => {
    const files = await checkpointFiles("base");
    const first = await write(files, "Q4_0", { weights: "q4" });
    assert.deepEqual(first.notes, []);
    sameBits(await logitsOf({ "x.gguf": first.file }), await logitsOf(files, { weights: "q4" }));
    assert.deepEqual((await write({ "x.gguf": first.file }, "Q4_0")).file, first.file);
    differentBits(await logitsOf({ "x.gguf": (await write(files, "Q4_0")).file }), await logitsOf(files, { weights: "q4" }), "llama.cpp's own scales are others");
  });

  it("int8 goes out as the numbers it stands for, and says so", async () => {
    const files = await checkpointFiles("base");
    const { file, notes } = await write(files, "F32", { weights: "q8" });
    assert.ok(notes.length === 1 && /q8.*F32/.test(notes[0]), notes[0]);
    // An output's largest integer is 127, so the same scale is found again but for its rounding.
    const back = await logitsOf({ "x.gguf": file }, { weights: "q8" });
    const truth = await logitsOf(files, { weights: "q8" });
    const spread = Math.max(...truth) - Math.min(...truth);
    assert.ok(Math.max(...back.map((logit, i) => Math.abs(logit - truth[i]))) < 1e-4 * spread);
  });

  it("int8 goes out as Q8_0 within 0.5625 of a block's step", async () => {
    const source = await checkpointFiles("base");
    const floats = await write(source, "F32", { weights: "q8" });
    const blocks = await write(source, "Q8_0", { weights: "q8" });
    let compared = 0, worst = 0;
    const exact = await storedTensors(floats.file), coarse = await storedTensors(blocks.file);
    for (const [name, data] of coarse) {
      const bytes = exact.get(name)!;
      if (data.length === bytes.length) continue; // F32 in both
      const numbers = new Float32Array(bytes.slice().buffer);
      const back = dequantized("Q8_0", data);
      for (let i = 0; i < numbers.length; i++) {
        let largest = 0;
        for (let j = i & ~31; j < (i | 31) + 1; j++) largest = Math.max(largest, Math.abs(numbers[j]));
        worst = Math.max(worst, Math.abs(back[i] - numbers[i]) / (largest / 127));
        compared++;
      }
    }
    assert.ok(compared > 100_000 && worst <= 0.5625 && worst > 0.4, `${compared} numbers, ${worst}`);
  });

  it("rows that no block fits are F16 in a quantised file", async () => {
    const files = await checkpointFiles("odd");
    const { file, notes } = await write(files, "Q8_0");
    assert.ok(notes.some((note) => note.includes("F16")), notes.join());
    const float = await logitsOf(files);
    const back = await logitsOf({ "x.gguf": file }, { weights: "f32" });
    const spread = Math.max(...float) - Math.min(...float);
    assert.ok(Math.max(...back.map((logit, i) => Math.abs(logit - float[i]))) < 0.01 * spread);
  });

  it("comes in chunks of about 1 MiB, each its own", async () => {
    await using(await checkpointFiles("base"), {}, async (model) => {
      const { chunks } = await writeGguf(ggufSource(model), "F32");
      const all = [...chunks()];
      const copies = [...chunks()];
      assert.ok(all.length > 20 && all.every((chunk) => chunk.length <= 1 << 20));
      all.forEach((chunk, i) => assert.deepEqual(chunk, copies[i]));
    });
  });
});

describe("GGUF: tokenizers", () => {
  it("GPT-2's merges make GPT-2's tokens, and both are read back as GPT-2's own", async () => {
    const vocabulary = (await vocabularyOf(gpt2Tokenizer))!;
    assert.equal(vocabulary.tokens.length, 50257);
    assert.equal(vocabulary.merges.length, 50000);
    assert.deepEqual(vocabulary.merges.slice(0, 4), ["Ġ t", "Ġ a", "h e", "i n"]); // as in GPT-2's merges.txt
    assert.equal(vocabulary.merges[49999], "Ġg azed"); // and its last line
    const vocabText = JSON.stringify(Object.fromEntries(vocabulary.tokens.map((token, id) => [token, id])));
    const other = fromSlowFiles({ vocabulary: vocabText, merges: vocabulary.merges.join("\n"), config: null, added: null, special: null }).tokenizer!;
    for (const text of ["Hello, world!", "  it's  1234567 naïve — 日本語 🙂\n\n", "<|endoftext|>a<|endoftext|>", "antidisestablishmentarianism's"]) {
      assert.deepEqual(other.encode(text), gpt2Tokenizer.encode(text), text);
    }
  });

  it("a vocabulary beside the model goes into the file and comes out again", async () => {
    const files = await checkpointFiles("base");
    const characters = [...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), "Ġ", "Ċ"];
    const merges = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["Ġ", "w"]];
    const tokens = [...characters, ...merges.map((pair) => pair.join("")), "<|endoftext|>"];
    const beside = {
      ...withConfig(files, { bos_token_id: tokens.length - 1, eos_token_id: tokens.length - 1 }),
      "vocab.json": new TextEncoder().encode(JSON.stringify(Object.fromEntries(tokens.map((token, id) => [token, id])))),
      "merges.txt": new TextEncoder().encode(`#version: 0.2\n${merges.map((pair) => pair.join(" ")).join("\n")}\n`),
    };
    const text = "hello world<|endoftext|>he said: hell!\n";
    const { file, ids } = await using(beside, {}, async (model) => ({ ...(await written(model, "F32")), ids: model.tokenizer!.encode(text) }));
    await using({ "x.gguf": file }, {}, ({ tokenizer, config }) => {
      assert.deepEqual(tokenizer!.encode(text), ids);
      assert.equal(tokenizer!.decode(ids), text);
      assert.equal(config.bos_token_id, tokens.length - 1);
      assert.equal(config.eos_token_id, tokens.length - 1);
      assert.equal(tokenizer!.vocabSize, config.vocab_size); // the rest are [PAD…]
    });
  });
});

describe("GGUF: what is not written", () => {
  it("is a GPT-2 that llama.cpp would compute otherwise", async () => {
    const base = await checkpointFiles("base");
    for (const [field, value] of [["activation_function", "relu"], ["activation_function", "gelu"], ["scale_attn_weights", false], ["scale_attn_by_inverse_layer_idx", true]] as const) {
      await using(withConfig(base, { [field]: value }), {}, (model) => rejectsKvasm(() => written(model, "F32"), "unsupported", field));
    }
  });

  it("is what a binary16 cannot hold", async () => {
    const files = withTensors(await checkpointFiles("base"), (tensors) => {
      const name = [...tensors.keys()].find((key) => key.endsWith("h.1.mlp.c_fc.weight"))!;
      new Float32Array(tensors.get(name)!.bytes.buffer)[5] = 1e30;
    });
    for (const type of ["F16", "Q8_0", "Q4_0"] as const) await using(files, {}, (model) => rejectsKvasm(() => written(model, type), "value", "blk.1.ffn_up.weight"));
    assert.ok((await write(files, "F32")).file.length > 0);
  });

  it("is a tokenizer with more tokens than the embedding has rows", async () => {
    await using(await checkpointFiles("base"), {}, async (model) => {
      await rejectsKvasm(() => writeGguf({ ...ggufSource(model), tokenizer: gpt2Tokenizer }, "F32"), "tokenizer", "tokenizer");
      const unknown = { vocabSize: 3, encode: () => [], decode: () => "", stream: () => ({ push: () => "", end: () => "" }) };
      const { notes } = await writeGguf({ ...ggufSource(model), tokenizer: unknown }, "F32");
      assert.ok(notes.some((note) => note.includes("tokenizer")));
    });
  });
});
