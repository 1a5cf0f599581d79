/** Quantised safetensors: what is written is what was loaded, and what is damaged is refused. */
import { load } from "../../bindings/index.ts";
import type { LoadOptions, Model } from "../../bindings/index.ts";
import { convertFiles } from "../../bindings/convert/index.ts";
import type { ConvertFilesOptions } from "../../bindings/convert/index.ts";
import { damagedBytes, damagedJson, pick, randomOf, sum, tally } from "../support/damage.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, before, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { NOT_OPTIONS } from "../support/hostile.ts";
import { someIds } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { withIntegers } from "../oracle/matrices.ts";
import { readFiles } from "../support/oracle.ts";
import { converted } from "../support/quantized.ts";
import { checkpointFiles } from "../support/reference.ts";

const QUANTIZED = ["q8", "q4"] as const;
const FOLDERS = ["base", "base-f16", "base-sharded", "odd", "head-size-10", "untied", "prefix", "activation-relu"] as const;

interface Header { [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] } }

function headerOf(file: Uint8Array): { header: Header; metadata: Record<string, string>; start: number } {
  const length = new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  return { header, metadata: __metadata__, start: 8 + length };
}

/** The file with another header; the data stay. */
function withHeader(file: Uint8Array, change: (header: Header & { __metadata__?: unknown }) => void): Uint8Array<ArrayBuffer> {
  const { header, metadata, start } = headerOf(file);
  const changed = { __metadata__: { ...metadata }, ...structuredClone(header) } as unknown as Header & { __metadata__?: unknown };
  change(changed);
  const text = new TextEncoder().encode(JSON.stringify(changed));
  const result = new Uint8Array(8 + text.length + file.length - start);
  new DataView(result.buffer).setUint32(0, text.length, true);
  result.set(text, 8);
  result.set(file.subarray(start), 8 + text.length);
  return result;
}

async function logits(files: Files | Model, options?: LoadOptions): Promise<Float32Array> {
  const model = "sequence" in files ? files as Model : await load(files as Files, options);
  const result = model.sequence().prefill(someIds(Math.min(24, model.contextLength), model.config.vocab_size), { all: true });
  model.dispose();
  return result;
}

/** f32[inputs][outputs] as [outputs][inputs]. */
function transposed(values: Float32Array, outputs: number): Float32Array {
  const inputs = values.length / outputs;
  return values.map((_, i) => values[(i % inputs) * outputs + Math.floor(i / inputs)]);
}

describe("a quantised file", () => {
  for (const weights of QUANTIZED) {
    it(`of ${weights} loads as what was converted, to the bit`, async () => {
      for (const folder of FOLDERS) {
        const source = await checkpointFiles(folder);
        const files = await converted(source, { weights });
        const model = await load(files);
        assert.equal(model.weights, weights, "its own type is the default");
        assert.deepEqual({ ...model.config }, { ...(await load(source)).config });
        sameBits(await logits(model), await logits(source, { weights }), folder);
        sameBits(await logits(files, { weights, cache: "q8" }), await logits(source, { weights, cache: "q8" }), folder);
      }
    });

    it(`of ${weights} converted again is the same file`, async () => {
      const files = await converted(await checkpointFiles("odd"), { weights });
      const again = await converted(files, { weights });
      assert.deepEqual(Object.keys(again), Object.keys(files));
      for (const name of Object.keys(files)) assert.deepEqual(again[name], files[name], name);
    });

    it(`of ${weights} in several shards has the same bits`, async () => {
      const source = await checkpointFiles("base");
      const shards = await converted(source, { weights, shardBytes: 30_000 });
      const names = Object.keys(shards).filter((name) => /^model-0.*\.safetensors$/.test(name));
      assert.ok(names.length > 3, names.join());
      for (const name of names) assert.ok(shards[name].length <= 30_000, `${name} has ${shards[name].length} bytes`);
      sameBits(await logits(shards), await logits(source, { weights }));
      sameBits(await logits(shards, { weights: "f32" }), await logits(await converted(shards, { weights: "f32" })));
      const parsed = JSON.parse(new TextDecoder().decode(shards["model.safetensors.index.json"]));
      assert.equal(parsed.metadata.total_size, names.reduce((total, name) => total + shards[name].length - headerOf(shards[name]).start, 0));

      const other = await converted(source, { weights: weights === "q8" ? "q4" : "q8", shardBytes: 30_000 });
      const mixed = { ...shards, [names[1]]: withHeader(shards[names[1]], (header) => { (header.__metadata__ as { weights: string }).weights = weights === "q8" ? "q4" : "q8"; }) };
      await rejectsKvasm(() => load(mixed), "weights");
      const floats = { ...shards, [names[1]]: withHeader(shards[names[1]], (header) => { delete header.__metadata__; }) };
      await rejectsKvasm(() => load(floats), "weights");
      await rejectsKvasm(() => load({ ...other, "model.safetensors.index.json": shards["model.safetensors.index.json"] }), "source");
    });

    it(`of ${weights} loaded as another type has the numbers that its integers stand for`, async () => {
      for (const folder of ["base", "odd", "untied"] as const) {
        const files = await converted(await checkpointFiles(folder), { weights });
        const floats = await converted(files, { weights: "f32" });
        // What is read out of a model is tested against the second implementation, and nothing else of the loader is in between.
        const expected = withIntegers(await readFiles(await checkpointFiles(folder)), weights);
        const { tensors, head } = await readFiles(floats);
        for (const [name, matrix] of Object.entries(expected.matrices!)) {
          const outputs = Float32Array.from(matrix.integers.flatMap((_, n) => [...matrix.output(n)]));
          const isTable = name === "wte" || name === "head"; // [outputs][inputs] in the file
          const found = name === "head" ? head : tensors[`${name}.weight`];
          sameBits(isTable ? found : transposed(found, matrix.integers.length), outputs, `${folder}, ${name}`);
        }
        for (const other of ["f32", "q8", "q4"] as const) {
          if (other === weights) continue;
          const model = await load(files, { weights: other });
          assert.equal(model.weights, other);
          sameBits(await logits(model), await logits(floats, { weights: other }), `${folder} as ${other}`);
        }
        differentBits(await logits(files, { weights: "f32" }), await logits(files), "f32 computes otherwise than integers do");
        differentBits(await logits(files, { weights: "f32" }), await logits(await checkpointFiles(folder)), "what was rounded away does not come back");
      }
    });
  }

  it("has integers as they are, and everything else in floats that lose nothing", async () => {
    const q8 = headerOf((await converted(await checkpointFiles("odd"), { weights: "q8" }))["model.safetensors"]);
    const { n_embd, n_inner, vocab_size } = JSON.parse(new TextDecoder().decode((await checkpointFiles("odd"))["config.json"]));
    assert.deepEqual(q8.metadata, { format: "kvasm", version: "1", weights: "q8", numerics: "2" });
    const shape = ({ header }: typeof q8, name: string) => [header[name].dtype, ...header[name].shape];
    assert.deepEqual(shape(q8, "transformer.wte.weight"), ["I8", vocab_size, n_embd]);
    assert.deepEqual(shape(q8, "transformer.wte.weight_scale"), ["F32", vocab_size]);
    assert.deepEqual(shape(q8, "transformer.h.0.mlp.c_proj.weight"), ["I8", n_embd, n_inner]);
    assert.deepEqual(shape(q8, "transformer.h.0.ln_1.bias"), ["F32", n_embd]);
    const q4 = headerOf((await converted(await checkpointFiles("odd"), { weights: "q4" }))["model.safetensors"]);
    const groups = Math.ceil(n_inner / 32);
    assert.deepEqual(shape(q4, "transformer.h.0.mlp.c_proj.weight"), ["U8", n_embd, groups * 16]);
    assert.deepEqual(shape(q4, "transformer.h.0.mlp.c_proj.weight_scale"), ["F16", n_embd, groups]);
    // Of a checkpoint in F16 all is F16 that was.
    const half = headerOf((await converted(await checkpointFiles("base-f16"), { weights: "q8" }))["model.safetensors"]);
    assert.equal(half.header["transformer.wpe.weight"].dtype, "F16");
    // Wide types first: all is aligned, and scales come before their integers.
    for (const { header } of [q8, q4, half]) {
      for (const { dtype, data_offsets: [begin] } of Object.values(header)) assert.equal(begin % ({ F32: 4, F16: 2 }[dtype] ?? 1), 0);
      for (const name of Object.keys(header)) {
        if (name.endsWith("_scale")) assert.ok(header[name].data_offsets[0] < header[name.slice(0, -6)].data_offsets[0], name);
      }
    }
  });

  it("of floats is what transformers reads: the same numbers, in its layout", async () => {
    for (const folder of ["base", "untied", "odd"] as const) {
      const source = await checkpointFiles(folder);
      const files = await converted(source, { weights: "f32" });
      sameBits(await logits(files), await logits(source), folder);
      const { header, metadata, start } = headerOf(files["model.safetensors"]);
      assert.deepEqual(metadata, { format: "pt" });
      const original = headerOf(source["model.safetensors"]);
      for (const [name, { shape, data_offsets: [begin, end] }] of Object.entries(header)) {
        const same = original.header[name] ?? original.header[name.replace("transformer.", "")];
        assert.deepEqual(same.shape, shape, name);
        assert.deepEqual(source["model.safetensors"].slice(original.start + same.data_offsets[0], original.start + same.data_offsets[1]), files["model.safetensors"].slice(start + begin, start + end), name);
      }
    }
    // F16 of what was F16 is the same file's numbers.
    const half = await checkpointFiles("base-f16");
    sameBits(await logits(await converted(half, { weights: "f16" })), await logits(half));
  });

  it("has a configuration that keeps what it had, and says that it is quantised", async () => {
    const source = await checkpointFiles("base");
    const config = { ...JSON.parse(new TextDecoder().decode(source["config.json"])), task_specific_params: { a: [1] }, torch_dtype: "float32" };
    source["config.json"] = new TextEncoder().encode(JSON.stringify(config));
    const read = (files: Files) => JSON.parse(new TextDecoder().decode(files["config.json"]));
    const q4 = await converted(source, { weights: "q4" });
    assert.deepEqual(read(q4), { ...config, quantization_config: { quant_method: "kvasm", weights: "q4", bits: 4 } });
    assert.deepEqual(read(await converted(q4, { weights: "f16" })), { ...config, torch_dtype: "float16" });
  });

  it("comes with the tokenizer's files", async () => {
    const source = { ...await checkpointFiles("base"), "vocab.json": new TextEncoder().encode('{"a":0}'), "merges.txt": new TextEncoder().encode("#version"), "README.md": new Uint8Array(3) };
    const files = await converted(source, { weights: "q8" });
    assert.deepEqual(Object.keys(files), ["model.safetensors", "config.json", "vocab.json", "merges.txt"]);
    assert.deepEqual(files["vocab.json"], source["vocab.json"]);
  });
});

describe("a conversion", () => {
  it("refuses what it cannot write", async () => {
    const source = await checkpointFiles("base");
    const first = async (options: unknown) => { for await (const file of convertFiles(source, options as ConvertFilesOptions)) for await (const piece of file.data()) void piece; };
    for (const options of NOT_OPTIONS) await rejectsKvasm(() => first(options), "type", "convert options");
    await rejectsKvasm(() => first(undefined), "type", "weights");
    await rejectsKvasm(() => first({}), "type", "weights");
    for (const weights of ["f64", "Q8", ""]) await rejectsKvasm(() => first({ weights }), "value", "weights");
    for (const shardBytes of [0, -1, 0.5, NaN]) await rejectsKvasm(() => first({ weights: "q8", shardBytes }), "value", "shardBytes");
    for (const shardBytes of ["25MiB", null]) await rejectsKvasm(() => first({ weights: "q8", shardBytes }), "type", "shardBytes");
    await rejectsKvasm(() => first({ weights: "q8", force: true }), "option", "force");
    await rejectsKvasm(() => first({ weights: "q8", onProgress: 1 }), "type", "onProgress");
    await rejectsKvasm(() => converted({ "model.safetensors": source["model.safetensors"] }, { weights: "q8" }), "source", "config.json");
    const large = { ...source, "model.safetensors": source["model.safetensors"].slice() };
    const { header, start } = headerOf(large["model.safetensors"]);
    const name = Object.keys(header).find((key) => key.endsWith("h.1.mlp.c_fc.weight"))!;
    new DataView(large["model.safetensors"].buffer).setFloat32(start + header[name].data_offsets[0] + 40, 65520, true);
    const error = await rejectsKvasm(() => converted(large, { weights: "f16" }), "value");
    assert.equal(error.value, 65520);
    assert.match(error.message, /mlp\.c_fc\.weight/);
  });

  it("ends when its signal says so", async () => {
    const source = await checkpointFiles("base");
    const controller = new AbortController();
    const reason = new Error("enough");
    await assert.rejects(async () => {
      for await (const file of convertFiles(source, { weights: "q8", signal: controller.signal })) {
        for await (const piece of file.data()) {
          assert.ok(piece.length > 0);
          controller.abort(reason);
        }
      }
    }, (error) => error === reason);
    await assert.rejects(converted(source, { weights: "q8", signal: AbortSignal.abort(reason) }), (error) => error === reason);
  });
});

describe("a damaged quantised file", () => {
  const files = {} as Record<(typeof QUANTIZED)[number], Files>;
  before(async () => {
    for (const weights of QUANTIZED) files[weights] = await converted(await checkpointFiles("odd"), { weights });
  });

  const changed = (weights: (typeof QUANTIZED)[number], change: Parameters<typeof withHeader>[1]): Files =>
    ({ ...files[weights], "model.safetensors": withHeader(files[weights]["model.safetensors"], change) });
  const WTE = "transformer.wte.weight";

  it("says what is wrong with its header", async () => {
    for (const weights of QUANTIZED) {
      const meta = (values: Record<string, unknown>) => changed(weights, (header) => { header.__metadata__ = { ...(header.__metadata__ as object), ...values }; });
      await rejectsKvasm(() => load(meta({ version: "2" })), "unsupported", "version");
      for (const version of [undefined, 1, "", "01", "one"]) await rejectsKvasm(() => load(meta({ version })), "weights", "version");
      for (const value of [undefined, "f32", "q5", 8, weights === "q8" ? "q4" : "q8"]) await rejectsKvasm(() => load(meta({ weights: value })), "weights");
      for (const numerics of [undefined, 1, "", "x"]) await rejectsKvasm(() => load(meta({ numerics })), "weights", "numerics");
      // Without the format's name integers are no weights.
      await rejectsKvasm(() => load(meta({ format: "pt" })), "weights");
      await rejectsKvasm(() => load(changed(weights, (header) => { delete header.__metadata__; })), "weights");
      // A name that is not the matrix's, scales of what has none.
      const rename = (from: string, to: string) => changed(weights, (header) => { header[to] = header[from]; delete header[from]; });
      await rejectsKvasm(() => load(rename(`${WTE}_scale`, `${WTE}.scale`)), "weights", `${WTE}.scale`);
      await rejectsKvasm(() => load(rename("transformer.wpe.weight", "transformer.wpe.weight_scale")), "weights", "transformer.wpe.weight_scale");
      await rejectsKvasm(() => load(rename(WTE, "transformer.h.0.attn.bias")), "weights", WTE);
      // Other types and shapes of the same bytes.
      const stored = (name: string, dtype: string, ...shape: number[]) => changed(weights, (header) => Object.assign(header[name], { dtype, shape }));
      const [rows, width] = headerOf(files[weights]["model.safetensors"]).header[WTE].shape;
      await rejectsKvasm(() => load(stored(WTE, weights === "q8" ? "U8" : "I8", rows, width)), "weights", WTE);
      await rejectsKvasm(() => load(stored(WTE, weights === "q8" ? "I8" : "U8", width, rows)), "weights", WTE);
      await rejectsKvasm(() => load(stored(WTE, weights === "q8" ? "I8" : "U8", rows * width)), "weights", WTE);
      const [count, groups] = headerOf(files[weights]["model.safetensors"]).header[`${WTE}_scale`].shape;
      if (weights === "q4") await rejectsKvasm(() => load(stored(`${WTE}_scale`, "BF16", count, groups)), "weights", `${WTE}_scale`);
      else await rejectsKvasm(() => load(stored(`${WTE}_scale`, "I32", count)), "weights", `${WTE}_scale`);
    }
  });

  it("refuses scales that are not finite, whatever it is loaded as", async () => {
    for (const weights of QUANTIZED) {
      const bytes = files[weights]["model.safetensors"].slice();
      const { header, start } = headerOf(bytes);
      const view = new DataView(bytes.buffer, start + header[`${WTE}_scale`].data_offsets[0]);
      for (const as of ["f32", "q8", "q4"] as const) {
        for (const bits of weights === "q8" ? [0x7f800000, 0xff800000, 0x7fc00000] : [0x7c00, 0xfc00, 0x7e00]) {
          if (weights === "q8") view.setUint32(5 * 4, bits, true);
          else view.setUint16(5 * 2, bits, true);
          const error = await rejectsKvasm(() => load({ ...files[weights], "model.safetensors": bytes }, { weights: as }), "non-finite", `${WTE}_scale`);
          assert.equal(error.value, 5);
        }
      }
    }
  });

  it("is read in any order, but turned into another type only where scales come first", async () => {
    for (const weights of QUANTIZED) {
      const bytes = files[weights]["model.safetensors"];
      const { header, metadata, start } = headerOf(bytes);
      const names = Object.keys(header).reverse();
      let at = 0;
      const table = Object.fromEntries(names.map((name) => {
        const { data_offsets: [begin, end], ...rest } = header[name];
        return [name, { ...rest, data_offsets: [at, (at += end - begin)] }];
      }));
      const text = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...table }));
      const reversed = new Uint8Array(8 + text.length + at);
      new DataView(reversed.buffer).setUint32(0, text.length, true);
      reversed.set(text, 8);
      let to = 8 + text.length;
      for (const name of names) {
        const part = bytes.subarray(start + header[name].data_offsets[0], start + header[name].data_offsets[1]);
        reversed.set(part, to);
        to += part.length;
      }
      sameBits(await logits({ ...files[weights], "model.safetensors": reversed }), await logits(files[weights]), "integers before their scales");
      const error = await rejectsKvasm(() => load({ ...files[weights], "model.safetensors": reversed }, { weights: "f32" }), "unsupported");
      assert.match(error.message, /scales come behind/);
    }
  });

  it("loads to the same bits in pieces of any size, which cut rows, pairs of nibbles and panels", async () => {
    for (const weights of QUANTIZED) {
      const whole = await logits(files[weights]);
      for (const size of [1, 7, 333, 4096]) {
        const bytes = files[weights]["model.safetensors"];
        let at = 0;
        const stream = new ReadableStream<Uint8Array>({
          pull(controller) {
            if (at >= bytes.length) return controller.close();
            controller.enqueue(bytes.slice(at, at += size));
          },
        });
        const model = await load({ ...files[weights], "model.safetensors": stream });
        sameBits(await logits(model), whole, `pieces of ${size}`);
      }
    }
  });

  it("computes otherwise when one integer or one scale is another: the controls", async () => {
    for (const weights of QUANTIZED) {
      const good = await logits(files[weights]);
      const { header, start } = headerOf(files[weights]["model.safetensors"]);
      for (const name of ["transformer.h.0.mlp.c_proj.weight", "transformer.h.1.attn.c_attn.weight_scale"]) {
        const bytes = files[weights]["model.safetensors"].slice();
        bytes[start + header[name].data_offsets[0] + 1] ^= 0x10;
        differentBits(await logits({ ...files[weights], "model.safetensors": bytes }), good, name);
      }
    }
  });

  it("gives a model that computes, or a typed error: 1600 mutations", { timeout: 240_000 }, async () => {
    const damaged = (seed: number): Files => {
      const random = randomOf(seed);
      const all = files[pick(random, QUANTIZED)];
      const file = all["model.safetensors"];
      const { start } = headerOf(file);
      switch (random(4)) {
        case 0: return { ...all, "model.safetensors": damagedBytes(file, random, start) };
        case 1: return { ...all, "model.safetensors": damagedBytes(file, random) };
        case 2: return { ...all, "config.json": new TextEncoder().encode(damagedJson(new TextDecoder().decode(all["config.json"]), random)) };
        default: {
          const text = new TextEncoder().encode(damagedJson(new TextDecoder().decode(file.subarray(8, start)).trimEnd(), random));
          const result = new Uint8Array(8 + text.length + file.length - start);
          new DataView(result.buffer).setUint32(0, text.length, true);
          result.set(text, 8);
          result.set(file.subarray(start), 8 + text.length);
          return { ...all, "model.safetensors": result };
        }
      }
    };
    const { good, codes } = await tally(1600, 700_000, async (seed) => {
      const model = await load(damaged(seed), { weights: pick(randomOf(seed + 1), [undefined, undefined, "f32", "q8", "q4"]), contextLength: 5, maxSequences: 1 });
      try {
        const row = model.sequence().prefill([1, 2, 3]);
        if (row.length !== model.config.vocab_size || !row.every(Number.isFinite)) throw new Error("logits");
      } finally {
        model.dispose();
      }
    });
    assert.ok(good > 100 && sum(codes) > 800, `${good} good, ${sum(codes)} refused`);
    for (const code of codes.keys()) assert.ok(["config", "weights", "source", "unsupported", "non-finite", "value"].includes(code), code);
  });
});
