/** Which tensors of a checkpoint are used: a head that is the embedding, what is passed over, and what is not. */
import { load } from "../../bindings/index.ts";
import { convertFiles } from "../../bindings/convert/index.ts";
import { Dtype, Tensor } from "../../bindings/wasm/exports.ts";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { RecordingSink, TINY, bytesOf, joinFile, safetensors, tinyEntries, tinyModel } from "../support/checkpoint.ts";
import type { Entry } from "../support/checkpoint.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, it } from "../support/harness.ts";

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const INDEX = "model.safetensors.index.json";
const PREFIXES = ["", "transformer."];

/** The same tensors in two files with their index. */
function sharded(entries: readonly Entry[], cut: number, config: object = TINY): ModelBytes {
  const shards = { "model-00001-of-00002.safetensors": entries.slice(0, cut), "model-00002-of-00002.safetensors": entries.slice(cut) };
  const places = Object.entries(shards).flatMap(([file, some]) => some.map(({ name }) => [name, file]));
  return { "config.json": json(config), [INDEX]: json({ weight_map: Object.fromEntries(places) }), ...Object.fromEntries(Object.entries(shards).map(([file, some]) => [file, safetensors(some)])) };
}

/** tinyModel's numbers under names with another prefix. */
function withPrefix(prefix: string, dtype?: string): Entry[] {
  return tinyEntries("transformer.", { dtype }).map((entry) => ({ ...entry, data: bytesOf(entry), name: entry.name.replace("transformer.", prefix) }));
}

/** Logits, notes, and the bytes of a stored head. */
async function run(files: ModelBytes, weights?: "f32" | "q8" | "q4"): Promise<{ logits: Float32Array; notes: readonly string[]; head: number; bytes: number }> {
  const model = await load(files, { weights });
  try {
    return { logits: model.sequence().prefill([1, 2, 3]).slice(), notes: model.notes, head: model.memory.storedHead, bytes: model.memory.total };
  } finally {
    model.dispose();
  }
}

async function written(source: ModelBytes, weights: "f32" | "q8" | "q4"): Promise<{ files: Record<string, Uint8Array<ArrayBuffer>>; notes: string[] }> {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  const notes: string[] = [];
  for await (const file of convertFiles(source, { weights })) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of file.data()) parts.push(part.slice());
    files[file.name] = new Uint8Array(await new Blob(parts).arrayBuffer());
    notes.push(...file.notes ?? []);
  }
  return { files, notes };
}

/** A file with another header to its data, of which there are `end` bytes. */
function withHeader(file: Uint8Array<ArrayBuffer>, edit: (header: object, end: number) => object): Uint8Array<ArrayBuffer> {
  const length = new DataView(file.buffer).getUint32(0, true);
  const data = file.subarray(8 + length);
  return joinFile(JSON.stringify(edit(JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))), data.length)), [data]);
}

describe("a tied checkpoint that holds its embedding under the head's name", () => {
  /** As safetensors' save_model writes it: of tensors that share memory the first name by alphabet. */
  const headOnly = (prefix = "transformer.", dtype = "F32"): Entry[] => withPrefix(prefix, dtype).map((entry, i) => (i === 0 ? { ...entry, name: "lm_head.weight" } : entry));
  const metadata = { __metadata__: { format: "pt", "transformer.wte.weight": "lm_head.weight" } };

  it("is the same model: whole, in shards, by bare names, in any type and order, and as integers", async () => {
    for (const dtype of ["F32", "F16", "BF16", "F64"]) {
      for (const prefix of PREFIXES) {
        const expected = await run(tinyModel(tinyEntries("transformer.", { dtype })));
        const entries = headOnly(prefix, dtype);
        const forms: ModelBytes[] = [
          { "config.json": json(TINY), "model.safetensors": safetensors(entries, metadata) }, { "config.json": json(TINY), "model.safetensors": safetensors([...entries].reverse()) },
          sharded(entries, 1), sharded(entries, entries.length - 3), sharded([...entries].reverse(), 5),
        ];
        for (const files of forms) assert.deepEqual(await run(files), expected, `${dtype} ${prefix} ${Object.keys(files)}`);
      }
    }
    for (const weights of ["q8", "q4"] as const) {
      const expected = await run(tinyModel(), weights);
      assert.equal(expected.head, 0);
      assert.deepEqual(await run({ "config.json": json(TINY), "model.safetensors": safetensors(headOnly()) }, weights), expected, weights);
    }
  });

  it("goes to the embedding's place, once", async () => {
    const sink = new RecordingSink();
    const reader = await openWeights(await resolveSource({ "model.safetensors": safetensors(headOnly()) }), parseConfig(JSON.stringify(TINY)));
    assert.equal(reader.headStored, false);
    await reader.stream(sink);
    assert.deepEqual(sink.tensors.get(`lm_head.weight@0/${Tensor.wte}`), { dtype: Dtype.F32, bytes: [...bytesOf(tinyEntries()[0])] });
    assert.equal(sink.tensors.size, 28);
  });

  it("is written by convert as others are, and read as integers under that name too", async () => {
    const source = { "config.json": json(TINY), "model.safetensors": safetensors(headOnly()) };
    for (const weights of ["f32", "q8", "q4"] as const) {
      const { files, notes } = await written(source, weights);
      assert.deepEqual(notes, []);
      assert.deepEqual(files["model.safetensors"], (await written(tinyModel(), weights)).files["model.safetensors"]);
      if (weights === "f32") continue;
      const again = { ...files, "model.safetensors": withHeader(files["model.safetensors"], (header) => JSON.parse(JSON.stringify(header).replaceAll('"transformer.wte.weight', '"lm_head.weight'))) };
      assert.deepEqual(await run(again), await run(files));
    }
  });

  it("is no tied checkpoint if config.json says so, and its shape is checked", async () => {
    const files = (config: object, entries = headOnly()): ModelBytes => ({ "config.json": json(config), "model.safetensors": safetensors(entries) });
    const error = await rejectsKvasm(() => load(files({ ...TINY, tie_word_embeddings: false })), "weights", "transformer.wte.weight");
    assert.ok(error.message.includes("tie_word_embeddings false"), error.message);
    await rejectsKvasm(() => load(files(TINY, [{ name: "lm_head.weight", shape: [6, 11] }, ...headOnly().slice(1)])), "weights", "lm_head.weight");
    await rejectsKvasm(() => load(files(TINY, [{ name: "transformer.lm_head.weight", shape: [11, 6] }, ...headOnly().slice(1)])), "weights", "transformer.wte.weight");
  });
});

describe("tensors that GPT-2 does not have", () => {
  const plain = run(tinyModel());
  const HARMLESS: Entry[] = [
    { name: "v_head.summary.weight", shape: [1, 6] }, { name: "v_head.summary.bias", shape: [1] }, { name: "score.weight", shape: [3, 6] }, { name: "classifier.weight", shape: [2, 6] },
    { name: "classifier.bias", shape: [2] }, { name: "qa_outputs.weight", shape: [2, 6] }, { name: "multiple_choice_head.summary.weight", shape: [1, 6] }, { name: "value_head.0.weight", shape: [6, 6] },
    { name: "reward_head.weight", shape: [1, 6], dtype: "F16" }, { name: "transformer.position_ids", shape: [1, 5], dtype: "I64" }, { name: "transformer.h.0.attn.causal_mask", shape: [5, 5], dtype: "BOOL" },
    { name: "n_averaged", shape: [], dtype: "I64" }, { name: "ref_model.transformer.wte.weight", shape: [11, 6] }, { name: "clip_project.model.0.weight", shape: [4] }, { name: "constructor", shape: [1], dtype: "U8" },
    { name: "", shape: [0] },
  ];

  it("are passed over and named, wherever they lie and of whatever type, with what comes after them at any offset", async () => {
    const { logits } = await plain;
    for (const extra of HARMLESS) {
      for (const entries of [[extra, ...tinyEntries()], [...tinyEntries(), extra], [...tinyEntries().slice(0, 7), extra, ...tinyEntries().slice(7)]]) {
        const { logits: got, notes } = await run(tinyModel(entries));
        assert.deepEqual(got, logits, extra.name);
        assert.ok(notes.length === 1 && notes[0].includes(JSON.stringify(extra.name)), `${extra.name}: ${notes}`);
      }
    }
    const odd: Entry[] = [{ name: "v_head.mask", shape: [3], dtype: "BOOL" }, { name: "score.mask", shape: [1], dtype: "U8" }];
    const bare = withPrefix("");
    const all = [odd[0], ...bare.slice(0, 3), odd[1], ...bare.slice(3), ...HARMLESS];
    for (const files of [tinyModel(all), sharded(all, 20)]) {
      const { logits: got, notes } = await run(files);
      assert.deepEqual(got, logits);
      assert.equal(notes.length, 1);
      for (const { name } of [...odd, ...HARMLESS].slice(0, 16)) assert.ok(notes[0].includes(JSON.stringify(name)), name);
      assert.ok(notes[0].includes("and 2 more"), notes[0]);
    }
  });

  it("of a type that nobody knows do not matter either", async () => {
    const { logits, notes } = await run(tinyModel([{ name: "v_head.odd", dtype: "F4", shape: [7], data: new Uint8Array(3) }, ...tinyEntries()]));
    assert.deepEqual(logits, (await plain).logits);
    assert.ok(notes[0].includes("v_head.odd"));
  });

  it("of every layer are named once", async () => {
    const masks = [0, 1].map((layer): Entry => ({ name: `transformer.h.${layer}.attn.future_mask`, shape: [1] }));
    assert.deepEqual((await run(tinyModel([...tinyEntries(), ...masks]))).notes, ['Passed over, for GPT-2 does not have them: "transformer.h.0.attn.future_mask" (and in 1 more layers).']);
    const own = [0, 1].flatMap((layer): Entry[] => [{ name: `transformer.h.${layer}.attn.bias`, shape: [1, 1, 5, 5], dtype: "U8" }, { name: `transformer.h.${layer}.attn.masked_bias`, shape: [] }]);
    assert.deepEqual((await run(tinyModel([...tinyEntries(), ...own]))).notes, []); // GPT-2's own masks
  });

  it("are said by convert, which leaves them out", async () => {
    const { files, notes } = await written(tinyModel([...tinyEntries(), HARMLESS[2]]), "f32");
    assert.ok(notes.length === 1 && notes[0].includes("score.weight"), String(notes));
    assert.deepEqual(files["model.safetensors"], (await written(tinyModel(), "f32")).files["model.safetensors"]);
  });

  it("are refused where they change what the model computes, saying how", async () => {
    const inner = (name: string) => `transformer.h.1.${name}`;
    const changes: [name: string, word: string][] = [
      [inner("crossattention.c_attn.weight"), "cross-attention"], [inner("crossattention.q_attn.bias"), "cross-attention"], [inner("ln_cross_attn.weight"), "cross-attention"], [inner("attn.q_attn.weight"), "cross-attention"],
      [inner("attn.c_attn.lora_A.weight"), "adapter"], [inner("attn.c_attn.lora_B.default.weight"), "adapter"], ["base_model.model." + inner("attn.c_attn.lora_A.weight"), "adapter"], [inner("attn.c_attn.lora_magnitude_vector"), "adapter"],
      [inner("attn.c_attn.base_layer.weight"), "adapter"], [inner("mlp.c_proj.ia3_l"), "adapter"], [inner("output_adapters.x.adapter_down.0.weight"), "adapter"], [inner("adapter.down.weight"), "adapter"], ["transformer.wte.lora_embedding_A", "adapter"],
      [inner("mlp.c_fc.hada_w1_a"), "adapter"], [inner("mlp.c_fc.oft_r"), "adapter"], ["lm_head.modules_to_save.default.weight", "adapter"],
      ["prefix_encoder.embedding.weight", "prefix"], ["prompt_encoder.default.embedding.weight", "prompt"], ["prompt_embeddings", "prompt"], ["transformer.wte.learned_embedding", "prefix"], ["soft_prompt.weight", "prompt"], ["control_trans.0.weight", "prefix"],
      [inner("attn.c_attn.qweight"), "quantised"], [inner("attn.c_attn.scales"), "quantised"], [inner("mlp.c_fc.SCB"), "quantised"], [inner("mlp.c_fc.weight.absmax"), "quantised"], [inner("mlp.c_fc.weight_scale"), "quantised"], [inner("mlp.c_fc.input_scale"), "quantised"],
      [inner("mlp.c_fc.weight_g"), "computed from others"], [inner("mlp.c_fc.weight_orig"), "computed from others"], [inner("mlp.c_fc.parametrizations.weight.original0"), "computed from others"],
      [inner("attn.q_norm.weight"), "another model"], [inner("ln_3.bias"), "another model"], [inner("attn.rotary_emb.inv_freq"), "another model"], [inner("mlp.gate"), "another model"], ["transformer.h.00.ln_1.weight", "another model"], ["transformer.h.-1.ln_1.weight", "another model"],
      ["transformer.wtte.weight", "another model"], ["token_type_embeddings.weight", "another model"], ["transformer.emb_norm.weight", "another model"], ["lm_head.bias", "bias"],
    ];
    for (const [name, word] of changes) {
      const error = await rejectsKvasm(() => load(tinyModel([...tinyEntries(), HARMLESS[0], { name, shape: [2] }])), "weights", name);
      assert.ok(error.message.includes(word), error.message);
      await rejectsKvasm(() => load(sharded([...tinyEntries(), { name, shape: [2] }], 9)), "weights", name);
    }
  });

  it("are refused as layers that the configuration does not have", async () => {
    for (const name of ["transformer.h.2.ln_1.weight", "transformer.h.2.attn.bias", "h.2.mlp.c_fc.weight"]) {
      const error = await rejectsKvasm(() => load(tinyModel([...tinyEntries(), { name, shape: [2] }])), "weights", name);
      assert.ok(error.message.includes("layer 2") && error.message.includes("n_layer 2"), error.message);
    }
  });

  it("are refused in a quantised file, which has no others", async () => {
    const { files } = await written(tinyModel(), "q8");
    const changed = withHeader(files["model.safetensors"], (header, end) => ({ ...header, "score.weight": { dtype: "F32", shape: [0], data_offsets: [end, end] } }));
    await rejectsKvasm(() => load({ ...files, "model.safetensors": changed }), "weights", "score.weight");
  });

  it("do not stand for those that are missing", async () => {
    const rest = tinyEntries().filter(({ name }) => name !== "transformer.ln_f.weight");
    await rejectsKvasm(() => load(tinyModel([...rest, HARMLESS[2]])), "weights", "transformer.ln_f.weight");
    await rejectsKvasm(() => load(tinyModel([HARMLESS[2]])), "weights", "score.weight");
    const wrapped = tinyEntries("model.transformer.");
    const error = await rejectsKvasm(() => load(tinyModel([...wrapped, { name: "lm_head.weight", shape: [11, 6] }])), "weights", wrapped[0].name);
    assert.ok(error.message.includes("wrapper"), error.message);
    await rejectsKvasm(() => load({ "config.json": json({ ...TINY, tie_word_embeddings: false }), "model.safetensors": safetensors([...tinyEntries(), HARMLESS[2]]) }), "weights", "lm_head.weight");
  });
});
