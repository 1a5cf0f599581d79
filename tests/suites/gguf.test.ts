/** GPT-2 in GGUF computes the same bits as the same numbers in safetensors. */
import { lifetimeOf } from "../../bindings/model/model.ts";
import { load as loadHere } from "../../bindings/model/load.ts";
import type { LoadOptions } from "../../bindings/index.ts";
import { Tensor } from "../../bindings/wasm/exports.ts";
import { pieces } from "../support/checkpoint.ts";
import { FORMATS, dequantized, halfValue, randomBlocks } from "../support/blocks.ts";
import type { FormatName } from "../support/blocks.ts";
import { BOOL, GGML, STRING, U32, gguf, ggufEntries, ggufMetadata, ggufName, ggufOf, wideCheckpoint } from "../support/gguf.ts";
import type { Metadata } from "../support/gguf.ts";
import { assert, describe, differentBits, it, sameBits } from "../support/harness.ts";
import { someIds, withModel } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { transposed, withTensors } from "../support/reference-edit.ts";
import { checkpointFiles } from "../support/reference.ts";
import type { Folder } from "../support/reference.ts";

type Source = Parameters<typeof loadHere>[0] & object;

async function logitsOf(source: Source, options?: LoadOptions): Promise<Float32Array> {
  return withModel(source as Files, (model) => model.sequence().prefill(someIds(9, model.config.vocab_size)), options);
}

/** A checkpoint whose matrices are random blocks: as GGUF, and with the numbers they stand for as safetensors. */
function inBlocks(files: Files, name: FormatName, everything = false): { gguf: Files; floats: Files } {
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  let seed = 0;
  const gguf = ggufOf(files, (title, { shape }) => {
    if (shape.length !== 2 && !everything) return undefined;
    const elements = shape.reduce((a, b) => a * b);
    const data = randomBlocks(name, elements, ++seed, shape.length === 1 ? 1 : 0.06);
    values.set(title, dequantized(name, data));
    return { type: GGML[name], data };
  });
  const floats = withTensors(files, (tensors) => {
    for (const [key, tensor] of tensors) {
      const title = ggufName(key) ?? "";
      const numbers = values.get(title);
      if (numbers === undefined) continue;
      const raw = { dtype: "F32", shape: [...tensor.shape], bytes: new Uint8Array(numbers.buffer) };
      const isConv = title.startsWith("blk.") && tensor.shape.length === 2;
      tensors.set(key, isConv ? transposed({ ...raw, shape: [tensor.shape[1], tensor.shape[0]] }) : raw);
    }
  });
  return { gguf: { "model.gguf": gguf }, floats };
}

describe("GGUF: floats", () => {
  for (const folder of ["base", "base-bare", "base-f16", "base-bf16", "base-f64", "untied", "odd", "epsilon"] as Folder[]) {
    it(`${folder}: the configuration and the bits of logits`, async () => {
      const files = await checkpointFiles(folder);
      const file = ggufOf(files);
      sameBits(await logitsOf({ "any name.GGUF": file }), await logitsOf(files), folder);
      const told = JSON.parse(new TextDecoder().decode(files["config.json"]));
      await withModel({ "model.gguf": file }, ({ config, tokenizer }) => {
        for (const key of ["n_layer", "n_embd", "n_head", "vocab_size", "n_positions", "layer_norm_epsilon"] as const) assert.equal(config[key], told[key], key);
        assert.equal(config.n_inner, told.n_inner ?? 4 * told.n_embd);
        assert.equal(config.activation_function, "gelu_new");
        assert.equal(config.tie_word_embeddings, folder !== "untied");
        assert.equal(config.bos_token_id, null);
        assert.equal(tokenizer, null);
        assert.ok(Object.isFrozen(config));
      });
    });
  }

  it("is quantised while it comes in, as safetensors are", async () => {
    const files = await checkpointFiles("base");
    for (const weights of ["q8", "q4"] as const) {
      sameBits(await logitsOf({ "model.gguf": ggufOf(files) }, { weights }), await logitsOf(files, { weights }), weights);
    }
  });

  it("comes in pieces of any size, without its size, in any alignment, with and without padding at its end", async () => {
    const files = await checkpointFiles("base");
    const truth = await logitsOf(files);
    const config = JSON.parse(new TextDecoder().decode(files["config.json"]));
    for (const [alignment, size] of [[8, 7], [32, 61], [64, 1000], [4096, 65536]] as const) {
      for (const padEnd of [true, false]) {
        const metadata: Metadata[] = [...ggufMetadata(config), ["general.alignment", U32, alignment]];
        const tensors = ggufEntries(files["model.safetensors"]).reverse(); // any order
        const file = gguf({ metadata, tensors, alignment, padEnd, version: padEnd ? 2 : 3 });
        sameBits(await logitsOf({ "model.gguf": pieces(file, 3, size) } as never), truth, `${alignment} ${padEnd}`);
        sameBits(await logitsOf({ "model.gguf": file }), truth, `${alignment} ${padEnd}`);
      }
    }
  });

  it("tells progress in bytes, the last of which is all", async () => {
    const file = ggufOf(await checkpointFiles("base"));
    const seen: { loaded: number; total: number | undefined; file: string }[] = [];
    await withModel({ "model.gguf": file }, () => {}, { onProgress: (progress) => seen.push(progress) });
    const last = seen[seen.length - 1];
    assert.equal(last.loaded, last.total);
    assert.equal(last.file, "model.gguf");
    assert.ok(last.loaded > 0.9 * file.length && last.loaded < file.length);
  });

  it("bos and eos come from the metadata", async () => {
    const files = await checkpointFiles("base");
    const more: Metadata[] = [["tokenizer.ggml.bos_token_id", U32, 7], ["tokenizer.ggml.eos_token_id", U32, 9], ["tokenizer.ggml.add_bos_token", BOOL, 0], ["general.author", STRING, "somebody"]];
    await withModel({ "model.gguf": ggufOf(files, undefined, more) }, ({ config }) => {
      assert.equal(config.bos_token_id, 7);
      assert.equal(config.eos_token_id, 9);
    });
  });
});

describe("GGUF: block formats", () => {
  for (const name of Object.keys(FORMATS) as FormatName[]) {
    it(`${name}: the bits of the numbers that the blocks stand for`, async () => {
      const files = FORMATS[name].elements === 256 ? wideCheckpoint() : await checkpointFiles("base");
      const { gguf, floats } = inBlocks(files, name);
      for (const weights of ["f32", "q8", "q4"] as const) {
        if (name === "Q4_0" && weights === "q4") continue; // taken as it is: below
        sameBits(await logitsOf(gguf, { weights }), await logitsOf(floats, { weights }), weights);
      }
      sameBits(await logitsOf({ "model.gguf": pieces(gguf["model.gguf"], 1, 997) } as never, { weights: "f32" }), await logitsOf(floats, { weights: "f32" }), "in pieces");
    });
  }

  it("vectors and positions may be blocks too", async () => {
    const { gguf, floats } = inBlocks(await checkpointFiles("base"), "Q8_0", true);
    sameBits(await logitsOf(gguf, { weights: "f32" }), await logitsOf(floats, { weights: "f32" }));
  });

  it("holds Q4_0 as int4 and other formats as int8 unless told otherwise", async () => {
    const files = await checkpointFiles("base");
    const held = async (file: Files): Promise<string> => withModel(file, (model) => model.weights);
    assert.equal(await held({ "model.gguf": ggufOf(files) }), "f32");
    assert.equal(await held(inBlocks(files, "Q4_0").gguf), "q4");
    assert.equal(await held(inBlocks(files, "Q8_0").gguf), "q8");
    assert.equal(await held(inBlocks(files, "Q5_1").gguf), "q8");
    assert.equal(await withModel(inBlocks(files, "Q4_0").gguf, (model) => model.weights, { weights: "f32" }), "f32");
  });

  it("says which formats were quantised anew", async () => {
    const files = await checkpointFiles("base");
    const notes = async (file: Files, weights: "f32" | "q8" | "q4"): Promise<readonly string[]> => withModel(file, (model) => model.notes, { weights });
    assert.deepEqual(await notes({ "model.gguf": ggufOf(files) }, "q8"), []);
    assert.deepEqual(await notes(files, "q8"), []);
    const { gguf } = inBlocks(files, "Q4_0");
    assert.deepEqual(await notes(gguf, "q4"), []);
    assert.deepEqual((await notes(gguf, "q8")).map((note) => note.replace(/^\S+/, "X")), ["X and 12 more: Q4_0 in the file, turned into f32 and that into q8."]);
    assert.deepEqual((await notes(inBlocks(files, "Q5_1").gguf, "f32")).map((note) => note.replace(/^\S+/, "X")), ["X and 12 more: Q5_1 in the file, turned into f32."]);
  });

  it("Q4_0 becomes int4 with the same integers and scales", async () => {
    const { gguf: file } = inBlocks(await checkpointFiles("base"), "Q4_0");
    const blocks = new Map(ggufEntries((await checkpointFiles("base"))["model.safetensors"]).map(({ name, dimensions }) => [name, dimensions as number[]]));
    const model = await loadHere(file as never, { weights: "q4" });
    const { exports, header, memory } = lifetimeOf(model).value;
    const staging = exports.stagingAddress(header) >>> 0;
    let seed = 0;
    let compared = 0;
    for (const [name, dimensions] of blocks) {
      if (dimensions.length !== 2) continue;
      const data = randomBlocks("Q4_0", dimensions[0] * dimensions[1], ++seed, 0.06);
      const place = PLACES[name.replace(/^blk\.\d+\./, "")];
      if (place === undefined) continue; // positions are f32
      const layer = Number(/^blk\.(\d+)/.exec(name)?.[1] ?? 0);
      const groups = dimensions[0] / 32;
      const view = new DataView(data.buffer);
      for (let output = 0; output < dimensions[1]; output++) {
        assert.equal(exports.readScales(header, place, layer, output), groups);
        for (let group = 0; group < groups; group++) {
          const scale = halfValue(view.getUint16((output * groups + group) * 18, true));
          assert.equal(memory.f32[staging / 4 + group], scale, `${name}: scale of output ${output}, group ${group}`);
        }
        exports.readIntegers(header, place, layer, output);
        const nibbles = memory.u8.slice(staging, staging + dimensions[0] / 2);
        for (let i = 0; i < dimensions[0]; i++) {
          const at = (output * groups + (i >> 5)) * 18 + 2;
          const wanted = (data[at + (i % 16)] >> (i % 32 < 16 ? 0 : 4)) & 15;
          if (((nibbles[i >> 1] >> (i % 2 ? 4 : 0)) & 15) !== wanted) assert.fail(`${name}: integer ${i} of output ${output}`);
          compared++;
        }
      }
    }
    model.dispose();
    assert.ok(compared > 150_000);
  });

  it("negative control: one bit of one block shows", async () => {
    const { gguf } = inBlocks(await checkpointFiles("base"), "Q4_1");
    const truth = await logitsOf(gguf);
    const changed = gguf["model.gguf"].slice();
    changed[changed.length - 3000] ^= 1;
    differentBits(await logitsOf({ "model.gguf": changed }), truth);
  });
});

const PLACES: Record<string, number> = {
  "token_embd.weight": Tensor.wte, "attn_qkv.weight": Tensor.attnWeight, "attn_output.weight": Tensor.attnProjWeight,
  "ffn_up.weight": Tensor.fcWeight, "ffn_down.weight": Tensor.mlpProjWeight,
};
