/**
 * GGUF against a real llama.cpp: its own conversion has the bits that kvasm writes, kvasm reads from its files the numbers that it
 * reads, it opens what kvasm writes, and its logits and tokens are kvasm's.
 */
import { readFile } from "node:fs/promises";
import { load } from "../../bindings/model/load.ts";
import type { LoadOptions } from "../../bindings/model/load.ts";
import type { Model } from "../../bindings/model/model.ts";
import { ByteReader } from "../../bindings/files/bytes.ts";
import { readGgufHeader } from "../../bindings/weights/gguf/header.ts";
import type { GgufTensor } from "../../bindings/weights/gguf/header.ts";
import { encodeQ4_0, encodeQ8_0 } from "../../bindings/convert/gguf/quantize.ts";
import { writeGguf } from "../../bindings/convert/gguf/write.ts";
import type { GgufType } from "../../bindings/convert/gguf/write.ts";
import { FORMATS, dequantized, randomBlocks } from "../support/blocks.ts";
import type { FormatName } from "../support/blocks.ts";
import { repositoryFile, storiesText } from "../support/files.ts";
import { ggufSource } from "../support/gguf-source.ts";
import { wideCheckpoint } from "../support/gguf.ts";
import { after, assert, describe, it, sameBits } from "../support/harness.ts";
import { someIds } from "../support/models.ts";
import { FTYPE, cleanUp, dequantizeRows, openLlama, quantizeFile, quantizeRows, store } from "./llama.ts";

const stories = async (): Promise<Record<string, Uint8Array<ArrayBuffer>>> => ({
  "config.json": await repositoryFile("models/stories/original/config.json"),
  "model.safetensors.gz": await repositoryFile("models/stories/original/model.safetensors.gz"),
});
const MODELS = { stories, wide: async () => wideCheckpoint() };

async function using<T>(source: object, options: LoadOptions, use: (model: Model) => T | Promise<T>): Promise<T> {
  const model = await load(source as never, options);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

/** Writes a model to a file. */
async function write(source: object, type: GgufType, options: LoadOptions = {}): Promise<string> {
  return using(source, options, async (model) => {
    const { size, chunks } = await writeGguf(ggufSource(model), type);
    const file = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks()) {
      file.set(chunk, at);
      at += chunk.length;
    }
    return store(file);
  });
}

const idsFor = (model: Model): number[] => model.tokenizer?.encode("Once upon a time there was a little dog who liked to play in the park with") ?? someIds(20, model.config.vocab_size);

async function ours(path: string, options: LoadOptions = {}): Promise<Float32Array> {
  return using({ "x.gguf": Uint8Array.from(await readFile(path)) }, options, (model) => model.sequence().prefill(idsFor(model)));
}

async function theirs(path: string): Promise<Float32Array> {
  const { ids, size } = await using({ "x.gguf": Uint8Array.from(await readFile(path)) }, {}, (model) => ({ ids: idsFor(model), size: model.config.vocab_size }));
  const llama = await openLlama(path, size);
  try {
    return await llama.logits(ids);
  } finally {
    await llama.close();
  }
}

interface Tensors {
  bytes: Map<string, Uint8Array>;
  types: Map<string, string>;
}

async function tensorsIn(path: string): Promise<Tensors> {
  const file = Uint8Array.from(await readFile(path));
  const reader = new ByteReader({ stream: new Blob([file]).stream(), size: file.length }, path, "a test", undefined);
  const { tensors, padding } = await readGgufHeader(reader, path, new Set());
  const start = reader.position + padding;
  await reader.cancel();
  const named = <T>(use: (tensor: GgufTensor) => T): Map<string, T> => new Map(tensors.map((tensor) => [tensor.name, use(tensor)]));
  return { bytes: named(({ begin, end }) => file.subarray(start + begin, start + end)), types: named(({ type }) => type.name) };
}

/** Of the distributions, in nats: Σ p · log(p / q), p being the truth's. */
function divergence(actual: Float32Array, truth: Float32Array): number {
  const logSum = (of: Float32Array): number => {
    const most = of.reduce((a, b) => Math.max(a, b));
    return most + Math.log(of.reduce((sum, value) => sum + Math.exp(value - most), 0));
  };
  const a = logSum(actual), t = logSum(truth);
  return truth.reduce((sum, value, i) => sum + Math.exp(value - t) * (value - t - (actual[i] - a)), 0);
}

describe("llama.cpp: blocks", () => {
  for (const name of Object.keys(FORMATS) as FormatName[]) {
    it(`dequantize_row_${name}: the scalar reference that the module is tested against has its bits`, async () => {
      const { elements } = FORMATS[name];
      for (const size of [1, 0.05, 0.002]) { // the last has subnormal halves
        const blocks = randomBlocks(name, elements * 64, 5, size);
        sameBits(dequantized(name, blocks), await dequantizeRows(name.replace("Q", "q"), blocks, elements * 64), `${name} ${size}`);
      }
    });
  }

  for (const [name, encode, bytes] of [["q8_0", encodeQ8_0, 34], ["q4_0", encodeQ4_0, 18]] as const) {
    it(`quantize_row_${name}_ref has the bits that are written`, async () => {
      let state = 3;
      const values = Float32Array.from({ length: 32 * 4000 }, (_, i) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const uniform = state / 2 ** 31 - 1;
        // Zeros; ties at a scale that is a power of two; every size.
        return i % 7 === 0 && i < 3200 ? 0 : i % 96 < 32 ? Math.round(uniform * 254) / 2 : uniform * 2 ** ((i >> 5) % 60 - 50);
      });
      const blocks = new Uint8Array((values.length / 32) * bytes);
      assert.ok(encode(values, new DataView(blocks.buffer), 0));
      assert.deepEqual(blocks, await quantizeRows(name, values, blocks.length));
    });
  }
});

describe("llama.cpp: its conversion and ours", () => {
  for (const [title, source] of Object.entries(MODELS)) {
    for (const type of ["F16", "Q8_0", "Q4_0"] as const) {
      it(`${title} in ${type}: every tensor has the same bits, and llama.cpp computes the same`, async () => {
        const mine = await write(await source(), type);
        const converted = await quantizeFile(await write(await source(), "F32"), type, true);
        const a = await tensorsIn(mine), b = await tensorsIn(converted);
        assert.deepEqual([...a.types].sort(), [...b.types].sort());
        assert.ok([...a.types.values()].filter((one) => one === type).length > 8);
        for (const [name, bytes] of a.bytes) assert.deepEqual(bytes, b.bytes.get(name), name);
        sameBits(await theirs(mine), await theirs(converted), "logits");
      });
    }
  }
});

describe("llama.cpp: files that it writes", () => {
  const seen = new Set<string>();
  for (const [title, source] of Object.entries(MODELS)) {
    for (const ftype of (Object.keys(FTYPE) as (keyof typeof FTYPE)[]).filter((name) => title === "wide" || name.endsWith("_M"))) {
      it(`${title} in ${ftype}: the numbers are those that llama.cpp reads`, async () => {
        const converted = await quantizeFile(await write(await source(), "F32"), ftype);
        for (const type of (await tensorsIn(converted)).types.values()) seen.add(type);
        const widened = await quantizeFile(converted, "F32"); // by its own dequantisation
        sameBits(await ours(converted, { weights: "f32" }), await ours(widened, { weights: "f32" }), ftype);
      });
    }
  }

  it("all formats that kvasm reads were among them", () => {
    assert.deepEqual([...seen].filter((name) => name.startsWith("Q")).sort(), Object.keys(FORMATS).sort());
  });
});

/**
 * In nats. Errors e of the logits, spread as σ among the likely tokens, cost about σ² / 2. llama.cpp takes GELU from a table of
 * binary16, 2⁻¹¹ of its argument and 2⁻¹¹ of its value, and with F16 weights rounds activations to binary16 too: 7e-4 of a logit's
 * deviation of a few, σ = 2e-3, 2e-6. Five times that.
 */
const FLOAT_BOUND = 1e-5;
/**
 * With quantised weights it rounds activations to 8 bits in blocks of 32, by steps of a 127th of the largest: an error of
 * 1 / (127 · √12) of that, which is about 3 times the root mean square, so 0.7 % at each of 4 matrices in each of 6 layers and at
 * the head, √25 · 0.7 % = 3.4 % as independent noise; σ = 0.05 to 0.1, 1e-3 to 5e-3. kvasm rounds them so too, beside int4 weights only
 * and by almost the same steps (llama.cpp's are binary16), so the two err alike.
 */
const INTEGER_BOUND = 5e-3;

describe("llama.cpp: logits", () => {
  for (const [title, source] of Object.entries(MODELS)) {
    for (const type of ["F32", "F16", "Q8_0", "Q4_0"] as const) {
      it(`${title} in ${type}: within the rounding that llama.cpp does and kvasm does not`, async () => {
        const path = await write(await source(), type);
        const apart = divergence(await theirs(path), await ours(path, { weights: "f32" }));
        assert.ok(apart < (type.startsWith("F") ? FLOAT_BOUND : INTEGER_BOUND), `${apart}`);
      });
    }

    it(`${title} held in int4 and written as Q4_0: the same, by kvasm's own int4 arithmetic`, async () => {
      const path = await write(await source(), "Q4_0", { weights: "q4" });
      const apart = divergence(await theirs(path), await ours(path));
      assert.ok(apart < INTEGER_BOUND, `${apart}`);
    });
  }

  it("negative control: two layers' matrices exchanged are far beyond the bounds", async () => {
    const path = await write(await stories(), "Q8_0");
    const truth = await theirs(path);
    const file = Uint8Array.from(await readFile(path));
    const { bytes } = await tensorsIn(path);
    const first = bytes.get("blk.0.attn_qkv.weight")!, second = bytes.get("blk.3.attn_qkv.weight")!;
    file.set(second, first.byteOffset);
    file.set(first, second.byteOffset);
    const apart = divergence(await ours(await store(file), { weights: "f32" }), truth);
    assert.ok(apart > 20 * INTEGER_BOUND, `${apart}`);
  });
});

describe("llama.cpp: tokens", () => {
  after(cleanUp); // the last suite here
  it("its tokenizer, made of our file, gives our ids", async () => {
    const path = await write(await stories(), "Q4_0");
    const llama = await openLlama(path, 50257);
    await using(await stories(), {}, async ({ tokenizer }) => {
      const validation = await storiesText("validation.txt");
      const texts = [
        validation.slice(0, 60_000), "Hello, world! It's 12345 o'clock\n\n\n  and   spaces \t tabs", "naïve café — “quotes” … 日本語のテキスト 한국어 🙂🚀👩‍👩‍👧 العربية",
        "function f(x) { return x ** 2 + 0xff; } // comment", "ﬁ ligature ½ ² a\u0301 \u200b\u2028end", "!!!???...,,,;;;###", "antidisestablishmentarianism floccinaucinihilipilification",
      ];
      for (const text of [...texts, "a<|endoftext|>b"]) assert.deepEqual(llama.tokenize(text, true), tokenizer!.encode(text), text.slice(0, 60));
    });
    await llama.close();
  });
});
