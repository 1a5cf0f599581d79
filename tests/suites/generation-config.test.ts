/** generation_config.json: where texts begin and end. */
import { load } from "../../bindings/index.ts";
import { convertFiles } from "../../bindings/convert/index.ts";
import type { ConvertFilesOptions } from "../../bindings/convert/index.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { TINY, pieces, safetensors, tinyEntries, tinyModel } from "../support/checkpoint.ts";
import { rejectsKvasm } from "../support/errors.ts";
import { assert, describe, it } from "../support/harness.ts";

const encode = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

function files(generation: unknown, config: object = {}): ModelBytes {
  return { ...tinyModel(tinyEntries(), { ...TINY, bos_token_id: 1, eos_token_id: 2, ...config }), "generation_config.json": encode(generation) };
}

async function ids(source: ModelBytes): Promise<{ bos: number | null; eos: number | readonly number[] | null }> {
  const model = await load(source);
  model.dispose();
  return { bos: model.config.bos_token_id, eos: model.config.eos_token_id };
}

describe("generation_config.json", () => {
  it("wins over config.json, a number or a list", async () => {
    assert.deepEqual(await ids(files({ bos_token_id: 4, eos_token_id: 7 })), { bos: 4, eos: 7 });
    assert.deepEqual(await ids(files({ eos_token_id: [3, 5, 3] })), { bos: 1, eos: [3, 5] });
    assert.deepEqual(await ids(files({ eos_token_id: 0, temperature: NaN, _from_model_config: true, max_length: 20 })), { bos: 1, eos: 0 });
    assert.deepEqual(await ids(files({ bos_token_id: 4, eos_token_id: [3] }, { bos_token_id: null, eos_token_id: null })), { bos: 4, eos: [3] });
    assert.deepEqual(await ids(files("\ufeff{\"eos_token_id\": 3, \"top_p\": Infinity}")), { bos: 1, eos: 3 });
  });

  it("leaves config.json's where it says nothing, null, or ids outside the vocabulary", async () => {
    for (const value of [{}, { bos_token_id: null, eos_token_id: null }, { bos_token_id: 50256, eos_token_id: 50256 }, { bos_token_id: -1, eos_token_id: -1 }, { eos_token_id: [] }, { eos_token_id: [-1, 11] }]) {
      assert.deepEqual(await ids(files(value)), { bos: 1, eos: 2 }, JSON.stringify(value));
    }
    assert.deepEqual(await ids(files({ eos_token_id: [50256, 6] })), { bos: 1, eos: [6] });
    assert.deepEqual(await ids(files({ eos_token_id: null }, { eos_token_id: [2, 9] })), { bos: 1, eos: [2, 9] });
  });

  it("ends a text, with each of its ids, and begins an empty one", async () => {
    const free = await load(tinyModel(tinyEntries(), { ...TINY, eos_token_id: null }));
    const draw = async (model: typeof free, prompt: number[]): Promise<{ ids: number[]; finish: string | undefined }> => {
      const items = [];
      for await (const item of model.generate(prompt, { temperature: 0, maxTokens: 3 })) items.push(item);
      return { ids: items.map(({ id }) => id), finish: items.at(-1)!.finish };
    };
    const plain = await draw(free, [1]);
    assert.equal(plain.finish, "length");
    for (const eos of [plain.ids[0], [10, plain.ids[0]], [plain.ids[0], 9]]) {
      const model = await load(files({ eos_token_id: eos }, { eos_token_id: (plain.ids[0] + 1) % 11 }));
      assert.deepEqual(await draw(model, [1]), { ids: plain.ids.slice(0, 1), finish: "eos" });
      model.dispose();
    }
    const begun = await load(files({ bos_token_id: 5, eos_token_id: null }, { eos_token_id: null }));
    assert.deepEqual((await draw(begun, [])).ids, (await draw(free, [5])).ids);
    begun.dispose();
    free.dispose();
  });

  it("is refused where it is damaged, by its name", async () => {
    for (const text of ["", "{", "[]", "null", "<html>", '{"eos_token_id": 1, "eos_token_id": 2}']) await rejectsKvasm(() => load(files(text)), "config", "generation_config.json");
    for (const value of ["3", true, 0.5, {}, [[1]], ["1"], [null]]) {
      const error = await rejectsKvasm(() => load(files({ eos_token_id: value })), "config", "eos_token_id");
      assert.ok(error.message.startsWith("generation_config.json: "), error.message);
    }
    for (const value of ["3", [3], 1e300]) await rejectsKvasm(() => load(files({ bos_token_id: value })), "config", "bos_token_id");
    await rejectsKvasm(() => load({ "generation_config.json": encode("{"), "model.safetensors": safetensors(tinyEntries()) }), "source", "config.json");
  });

  it("goes along when a model is converted, and a number that JSON does not have stays in config.json", async () => {
    const config = encode(JSON.stringify({ ...TINY, bos_token_id: 1, x: 0 }).replace('"x":0', '"attn_pdrop":NaN,"y":[-Infinity]'));
    const { written } = await convert({ ...files({ eos_token_id: [3, 5] }), "config.json": config }, { weights: "q8" });
    assert.match(new TextDecoder().decode(written["config.json"]), /"attn_pdrop": NaN,\s+"y": \[\s+-Infinity\s+\]/);
    assert.deepEqual(await ids(written), { bos: 1, eos: [3, 5] });
    const streams = Object.fromEntries(Object.entries(files({ eos_token_id: [3, 5] })).map(([name, bytes]) => [name, pieces(bytes as Uint8Array, 50)])); // which can be read once
    assert.deepEqual(await ids((await convert(streams, { weights: "q8" })).written), { bos: 1, eos: [3, 5] });
    assert.deepEqual(Object.keys((await convert(tinyModel(), { weights: "q8" })).written), ["model.safetensors", "config.json"]);
  });

  it("is in a GGUF file too, of which each id ends a text", async () => {
    const gguf = async (eos: unknown) => convert(files({ eos_token_id: eos }, { eos_token_id: null }), { weights: "f32", format: "gguf" });
    for (const eos of [null, 3, [3, 5], [5, 3, 4]]) {
      const { written, notes } = await gguf(eos);
      assert.deepEqual(await ids(written), { bos: 1, eos });
      assert.deepEqual(notes, []);
    }
    const { written, notes } = await gguf([6, 5, 4, 3, 2]);
    assert.deepEqual((await ids(written)).eos, [6, 5, 4]);
    assert.ok(notes.length === 1 && /eos_token_id.*3, 2/.test(notes[0]), String(notes));
  });
});

async function convert(source: ModelBytes, options: ConvertFilesOptions): Promise<{ written: Record<string, Uint8Array<ArrayBuffer>>; notes: string[] }> {
  const written: Record<string, Uint8Array<ArrayBuffer>> = {};
  const notes: string[] = [];
  for await (const file of convertFiles(source, options)) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of file.data()) parts.push(part.slice());
    written[file.name] = new Uint8Array(await new Blob(parts).arrayBuffer());
    notes.push(...file.notes ?? []);
  }
  return { written, notes };
}
