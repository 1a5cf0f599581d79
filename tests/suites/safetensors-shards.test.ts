import { KvasmError } from "../../bindings/errors.ts";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import type { Progress } from "../../bindings/weights/types.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { RecordingSink, TINY, bytesOf, pieces, safetensors, tinyEntries } from "../support/checkpoint.ts";
import type { Entry } from "../support/checkpoint.ts";
import { assert, describe, it } from "../support/harness.ts";

const tiny = parseConfig(JSON.stringify(TINY));
const INDEX = "model.safetensors.index.json";
const A = "model-00001-of-00002.safetensors";
const B = "model-00002-of-00002.safetensors";
const entries = tinyEntries();

/** Two shards and their index, before they are damaged. */
function parts(all = entries, cut = 9) {
  const index = { metadata: { total_size: 1 } as object | undefined, weight_map: {} as Record<string, unknown> };
  all.forEach(({ name }, i) => { index.weight_map[name] = i < cut ? A : B; });
  return { index, a: all.slice(0, cut), b: all.slice(cut) };
}

function files({ index, a, b }: { index: object; a: readonly Entry[]; b: readonly Entry[] }): ModelBytes {
  return { [INDEX]: new TextEncoder().encode(JSON.stringify(index)), [A]: safetensors(a), [B]: safetensors(b) };
}

async function read(source: ModelBytes, config = tiny, onProgress?: (report: Progress) => void) {
  const sink = new RecordingSink();
  const reader = await openWeights(await resolveSource(source), config, { onProgress });
  await reader.stream(sink);
  return { sink, headStored: reader.headStored };
}

async function refuses(source: ModelBytes, code: string, argument: string, ...words: string[]): Promise<void> {
  await assert.rejects(read(source), (error: unknown) => {
    assert.ok(KvasmError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.equal(error.argument, argument, error.message);
    for (const word of words) assert.ok(error.message.includes(word), `${JSON.stringify(word)} in: ${error.message}`);
    return true;
  });
}

describe("shards", () => {
  it("give what one file gives", async () => {
    const whole = (await read({ "model.safetensors": safetensors(entries) })).sink.tensors;
    for (const cut of [1, 9, entries.length - 1]) assert.deepEqual((await read(files(parts(entries, cut)))).sink.tensors, whole);
  });

  it("may be streams in pieces, and leave one file precedence", async () => {
    const source = files(parts());
    for (const name of [A, B]) source[name] = pieces(source[name] as Uint8Array, 13);
    assert.equal((await read(source)).sink.tensors.size, entries.length);
    const both = { ...files(parts()), "model.safetensors": safetensors(tinyEntries("", { dtype: "F16" })) };
    assert.ok([...(await read(both)).sink.tensors.keys()].every((key) => !key.startsWith("transformer.")));
  });

  it("tell of a stored head by the index", async () => {
    const all = tinyEntries("transformer.", { head: true });
    const reader = await openWeights(await resolveSource(files(parts(all))), tiny);
    assert.equal(reader.headStored, true); // it lies in the second shard
    await reader.close();
    assert.equal((await read(files(parts()))).headStored, false);
  });

  it("report progress over all of them, naming each, with a total only if the index is right about it", async () => {
    const bytes = entries.map(bytesOf).reduce((sum, part) => sum + part.length, 0);
    for (const [total, expected] of [[bytes, bytes], [1, undefined], ["many", undefined], [-5, undefined], [undefined, undefined]] as const) {
      const { index, a, b } = parts();
      index.metadata = { total_size: total };
      const reports: Progress[] = [];
      await read(files({ index, a, b }), tiny, (report) => reports.push(report));
      assert.deepEqual(reports.at(-1), { loaded: bytes, total: expected, file: B });
      assert.ok(reports.some(({ file }) => file === A));
    }
    const { index, a, b } = parts();
    index.metadata = undefined;
    await read(files({ index, a, b }));
  });

  it("are let go when a later one is refused", async () => {
    const source = files(parts());
    let cancelled = 0;
    const bad = (source[B] as Uint8Array).slice(0, 40);
    source[B] = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(bad), cancel: () => void cancelled++ }, { highWaterMark: 0 });
    await assert.rejects(read(source), { code: "weights", argument: B });
    assert.equal(cancelled, 1);
  });
});

describe("shards that cannot be", () => {
  const withIndex = (index: unknown) => ({ ...files(parts()), [INDEX]: new TextEncoder().encode(typeof index === "string" ? index : JSON.stringify(index)) });

  it("are refused with an index that is none", async () => {
    for (const text of ["", "[]", "{", "null"]) await refuses(withIndex(text), "weights", INDEX);
    await refuses(withIndex('{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}'), "weights", INDEX, "twice");
    for (const map of [undefined, null, [], "x", 3]) await refuses(withIndex({ weight_map: map }), "weights", "weight_map", "object");
    await refuses(withIndex({ weight_map: {} }), "weights", "weight_map", "at least one");
    await refuses({ ...withIndex("{}"), [INDEX]: new Uint8Array([0xff, 0xfe, 0x7b, 0]) }, "source", INDEX, "UTF-8");
  });

  it("are refused with names that lead out of the folder, or are no names", async () => {
    const names = [
      "../model.safetensors", "..", ".", "", "a/../b.safetensors", "sub/model.safetensors", "/etc/model.safetensors", "C:\\model.safetensors", "C:model.safetensors",
      "..\\model.safetensors", "\\\\host\\model.safetensors", "file:///model.safetensors", "https://example.com/model.safetensors", "%2e%2e%2fmodel.safetensors", "model.bin", "model.safetensors\u0000",
      "model.safetensors?x", "model.safetensors#x", ".safetensors", "-.safetensors", "model.safetensors ", "mod\nel.safetensors", "~/model.safetensors", "x".repeat(300) + ".safetensors", "ｍodel.safetensors",
      null, 3, ["model.safetensors"], {},
    ];
    for (const name of names) {
      const { index } = parts();
      index.weight_map["transformer.wte.weight"] = name;
      await refuses(withIndex(index), "weights", "transformer.wte.weight", "same folder");
    }
  });

  it("are refused with a tensor missing in the index, or one too many", async () => {
    for (const { name } of entries) {
      const { index } = parts();
      delete index.weight_map[name];
      await refuses(withIndex(index), "weights", name, INDEX, "missing");
    }
    const { index } = parts();
    index.weight_map["transformer.h.7.ln_1.bias"] = A;
    await refuses(withIndex(index), "weights", "transformer.h.7.ln_1.bias", "n_layer 2");
  });

  it("are refused when a file is not there", async () => {
    for (const name of [A, B]) {
      const source = files(parts());
      delete source[name];
      await refuses(source, "source", name, "not found");
    }
  });

  it("are refused with a tensor elsewhere than the index says, in two of them or in none", async () => {
    const { index, a, b } = parts();
    const [last] = a.slice(-1);
    await refuses(files({ index, a: a.slice(0, -1), b: [last, ...b] }), "weights", last.name, A, "missing");
    await refuses(files({ index, a, b: [last, ...b] }), "weights", last.name, B, `places in ${A}`);
    await refuses(files({ index, a, b: b.slice(1) }), "weights", b[0].name, B, "missing");
    await refuses(files({ index, a: [...a, b[0]], b }), "weights", b[0].name, A, `places in ${B}`);
    await refuses(files({ index, a, b: [...b, { name: "transformer.h.0.attn.bias", shape: [1] }] }), "weights", "transformer.h.0.attn.bias", B, "does not list");
  });

  it("are refused before their data if one has another shape or type", async () => {
    const { index, a, b } = parts();
    const reshaped = b.map((entry, i) => (i === 2 ? { ...entry, shape: [...entry.shape, 1] } : entry));
    const sink = new RecordingSink();
    const reader = await openWeights(await resolveSource(files({ index, a, b: reshaped })), tiny);
    await assert.rejects(reader.stream(sink), { code: "weights", argument: b[2].name });
    assert.equal(sink.tensors.size, a.length, "of the second shard no byte");
    const other = b.map((entry, i) => (i === 0 ? { ...entry, dtype: "I32" } : entry));
    await refuses(files({ index, a, b: other }), "unsupported", b[0].name, '"I32"');
  });
});
