import { KvasmError } from "../../bindings/errors.ts";
import { Dtype, Tensor } from "../../bindings/wasm/exports.ts";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import type { Progress } from "../../bindings/weights/types.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import type { ModelBytes } from "../../bindings/files/files.ts";
import { RecordingSink, TINY, bytesOf, headerOf, joinFile, pieces, safetensors, tinyEntries, tinyModel } from "../support/checkpoint.ts";
import type { Entry } from "../support/checkpoint.ts";
import { fixture, fixtureText } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";

const tiny = parseConfig(JSON.stringify(TINY));

async function read(files: ModelBytes, config = tiny, options: Parameters<typeof openWeights>[2] = {}) {
  const sink = new RecordingSink();
  const reader = await openWeights(await resolveSource(files), config, options);
  await reader.stream(sink);
  return { tensors: sink.tensors, headStored: reader.headStored, writes: sink.writes };
}

/** Everything that the entries say has come, and nothing else. */
function assertCame(tensors: RecordingSink["tensors"], entries: readonly Entry[]): void {
  const came = new Map([...tensors].map(([key, { bytes }]) => [key.split("@")[0], bytes]));
  for (const entry of entries) assert.deepEqual(came.get(entry.name), [...bytesOf(entry)], entry.name);
  assert.equal(came.size, entries.length);
}

/** Asserts a KvasmError, and that the sink saw no byte of the file. */
async function refuses(files: ModelBytes, code: string, argument: string | undefined, ...words: string[]): Promise<void> {
  const sink = new RecordingSink();
  await assert.rejects(async () => {
    const reader = await openWeights(await resolveSource(files), tiny);
    await reader.stream(sink);
  }, (error: unknown) => {
    assert.ok(KvasmError.is(error), `not a KvasmError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    if (argument !== undefined) assert.equal(error.argument, argument, error.message);
    for (const word of words) assert.ok(error.message.includes(word), `${JSON.stringify(word)} in: ${error.message}`);
    return true;
  });
  assert.equal(sink.writes, 0, "no byte passed");
}

const file = (bytes: Uint8Array): ModelBytes => ({ "model.safetensors": bytes });
const data = (entries: readonly Entry[]) => entries.map(bytesOf);

describe("safetensors", () => {
  it("gives every tensor of the reference checkpoints, in each type and arrangement", async () => {
    const cases = { base: Dtype.F32, "base-f16": Dtype.F16, "base-bf16": Dtype.BF16, "base-f64": Dtype.F64, "base-bare": Dtype.F32, "base-sharded": Dtype.F32, odd: Dtype.F32, untied: Dtype.F32 };
    for (const [folder, dtype] of Object.entries(cases)) {
      const names = folder === "base-sharded" ? ["model.safetensors.index.json", ...[1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`)] : ["model.safetensors"];
      const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await fixture(`${folder}/${name}`)] as const)));
      const config = parseConfig(await fixtureText(`${folder}/config.json`));
      const { tensors, headStored } = await read(files, config);
      assert.equal(headStored, folder === "untied", folder);
      assert.equal(tensors.size, 4 + 12 * config.n_layer + (headStored ? 1 : 0), folder);
      const width = [4, 2, 2, 8][dtype];
      for (const entry of tensors.values()) assert.equal(entry.dtype, dtype, folder);
      const wte = [...tensors].find(([key]) => key.endsWith(`@0/${Tensor.wte}`))!;
      assert.equal(wte[1].bytes.length, config.vocab_size * config.n_embd * width, folder);
    }
  });

  it("gives the same bytes for a checkpoint whole, in shards and under bare names", async () => {
    const config = parseConfig(await fixtureText("base/config.json"));
    const load = async (folder: string, names: string[]) => {
      const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await fixture(`${folder}/${name}`)] as const)));
      return new Map([...(await read(files, config)).tensors].map(([key, value]) => [key.slice(key.indexOf("@")) + key.includes("ln_"), value]));
    };
    const whole = await load("base", ["model.safetensors"]);
    assert.deepEqual(await load("base-bare", ["model.safetensors"]), whole);
    const shards = [1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`);
    assert.deepEqual(await load("base-sharded", ["model.safetensors.index.json", ...shards]), whole);
  });

  it("says where each tensor belongs", async () => {
    const { tensors } = await read(tinyModel());
    const expected = ["transformer.wte.weight@0/0", "transformer.wpe.weight@0/1"];
    const names = ["ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"];
    for (const layer of [0, 1]) names.forEach((name, i) => expected.push(`transformer.h.${layer}.${name}@${layer}/${5 + i}`));
    expected.push("transformer.ln_f.weight@0/2", "transformer.ln_f.bias@0/3");
    assert.deepEqual([...tensors.keys()], expected);
  });

  it("reads chunks of any size, in elements of any size", async () => {
    for (const dtype of ["F32", "F16", "BF16", "F64"]) {
      const entries = tinyEntries("", { dtype });
      const bytes = safetensors(entries);
      for (const sizes of [[1], [3], [7, 1, 64, 5], [8], [9, 1000], [bytes.length - 1, 1], [bytes.length]]) {
        const { tensors } = await read({ "model.safetensors": pieces(bytes, ...sizes) });
        assertCame(tensors, entries);
      }
    }
  });

  it("passes over empty chunks", async () => {
    const bytes = safetensors(tinyEntries());
    const parts = [new Uint8Array(0), bytes.slice(0, 11), new Uint8Array(0), bytes.slice(11), new Uint8Array(0)];
    const stream = new ReadableStream<Uint8Array>({ pull: (controller) => parts.length > 0 ? controller.enqueue(parts.shift()!) : controller.close() });
    assertCame((await read({ "model.safetensors": stream })).tensors, tinyEntries());
  });

  it("copies nothing but elements that lie in two chunks", async () => {
    const bytes = safetensors(tinyEntries());
    const seen = new Set<ArrayBufferLike>();
    const reader = await openWeights(await resolveSource(file(bytes)), tiny);
    await reader.stream({ write: (_tensor, _dtype, _element, part) => seen.add(part.buffer) });
    assert.deepEqual([...seen], [bytes.buffer]);
  });

  it("reads tensors in any order, of mixed types, at offsets that are no multiples of the element", async () => {
    const entries = tinyEntries("").reverse().map((entry, i) => ({ ...entry, dtype: ["F32", "F16", "F64", "BF16"][i % 4] }));
    entries.splice(3, 0, { name: "h.0.attn.masked_bias", shape: [], dtype: "BOOL" }); // one byte
    const { tensors } = await read(file(safetensors(entries)));
    assertCame(tensors, entries.filter(({ name }) => name !== "h.0.attn.masked_bias"));
  });

  it("reads the header in any order, with metadata and padding", async () => {
    const entries = tinyEntries();
    const shuffled = Object.fromEntries(Object.entries(headerOf(entries)).sort(([a], [b]) => (a < b ? 1 : -1)));
    const text = JSON.stringify({ __metadata__: { format: "pt", note: 'with "quotes" and {braces}' }, ...shuffled }) + " ".repeat(37);
    assertCame((await read(file(joinFile(text, data(entries))))).tensors, entries);
  });

  it("reads tensors beyond 4 GiB of a file", { timeout: 60_000 }, async () => {
    // Five gigabytes of what is of no use, from one block that is handed out again and again.
    const block = new Uint8Array(64 << 20);
    const unused = ["transformer.h.0.attn.bias", "transformer.h.1.attn.bias", "transformer.h.0.attn.masked_bias", "transformer.h.1.attn.masked_bias", "v_head.summary.weight"];
    const header: Record<string, object> = {};
    let at = 0;
    for (const name of unused) header[name] = { dtype: "U8", shape: [2 ** 30], data_offsets: [at, at += 2 ** 30] };
    for (const [name, entry] of Object.entries(headerOf(tinyEntries()))) header[name] = { ...entry, data_offsets: entry.data_offsets.map((offset) => offset + at) };
    const head = joinFile(JSON.stringify(header), []);
    const parts: Uint8Array[] = [head, ...Array.from({ length: at / block.length }, () => block), ...data(tinyEntries())];
    const stream = new ReadableStream<Uint8Array>({ pull: (controller) => parts.length > 0 ? controller.enqueue(parts.shift()!) : controller.close() }, { highWaterMark: 0 });
    const { tensors } = await read({ "model.safetensors": stream });
    assert.ok(at > 2 ** 32);
    assertCame(tensors, tinyEntries());
  });

  it("ignores masks of old checkpoints, in whatever type, and heads beside the language model's", async () => {
    for (const prefix of ["", "transformer."]) {
      const entries = tinyEntries(prefix);
      const extra = [
        { name: `${prefix}h.0.attn.bias`, shape: [1, 1, 5, 5], dtype: "U8" }, { name: `${prefix}h.1.attn.bias`, shape: [1, 1, 5, 5], dtype: "BOOL" },
        { name: `${prefix}h.1.attn.masked_bias`, shape: [], dtype: "F32" }, { name: "multiple_choice_head.summary.weight", shape: [1, 6] },
        { name: "v_head.summary.bias", shape: [0] },
      ];
      const { tensors } = await read(file(safetensors([...extra.slice(0, 2), ...entries, ...extra.slice(2)])));
      assertCame(tensors, entries);
    }
  });

  it("knows of a stored head before the data", async () => {
    const entries = tinyEntries("transformer.", { head: true });
    const reader = await openWeights(await resolveSource({ "model.safetensors": pieces(safetensors(entries), 64) }), tiny);
    assert.equal(reader.headStored, true);
    await reader.close();
    assert.equal((await read(tinyModel())).headStored, false);
  });

  it("reports progress in bytes of tensors, up to all of them", async () => {
    const reports: Progress[] = [];
    const big = { ...TINY, vocab_size: 200_000 };
    const entries = tinyEntries("", { config: big });
    const total = data(entries).reduce((sum, part) => sum + part.length, 0);
    await openWeights(await resolveSource(file(safetensors(entries))), parseConfig(JSON.stringify(big)), { onProgress: (report) => reports.push(report) })
      .then((reader) => reader.stream({ write() {} }));
    assert.deepEqual(reports[0], { loaded: 0, total, file: "model.safetensors" });
    assert.deepEqual(reports.at(-1), { loaded: total, total, file: "model.safetensors" });
    assert.ok(reports.length >= 4);
    for (let i = 1; i < reports.length; i++) assert.ok(reports[i].loaded > reports[i - 1].loaded);
  });
});

describe("a reader", () => {
  it("streams once", async () => {
    const reader = await openWeights(await resolveSource(tinyModel()), tiny);
    await reader.stream(new RecordingSink());
    await assert.rejects(reader.stream(new RecordingSink()), { code: "state" });
    const closed = await openWeights(await resolveSource(tinyModel()), tiny);
    await closed.close();
    await closed.close();
    await assert.rejects(closed.stream(new RecordingSink()), { code: "state" });
  });

  /** A file as a stream that notes whether it was let go. */
  function watched(bytes: Uint8Array, size = 100): { stream: ReadableStream<Uint8Array>; cancelled: () => boolean } {
    let cancelled = false;
    const source = pieces(bytes, size).getReader();
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await source.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => { cancelled = true; },
    }, { highWaterMark: 0 });
    return { stream, cancelled: () => cancelled };
  }

  it("lets go of the stream when the sink throws, and passes the error on", async () => {
    const { stream, cancelled } = watched(safetensors(tinyEntries()));
    const reader = await openWeights(await resolveSource({ "model.safetensors": stream }), tiny);
    const full = new Error("full");
    await assert.rejects(reader.stream({ write() { throw full; } }), (error) => error === full);
    assert.equal(cancelled(), true);
  });

  it("lets go of the stream when a header is refused, and when the caller's progress throws", async () => {
    const bad = watched(safetensors(tinyEntries().slice(1)));
    await assert.rejects(resolveSource({ "model.safetensors": bad.stream }).then((files) => openWeights(files, tiny)), { code: "weights" });
    assert.equal(bad.cancelled(), true);
    const good = watched(safetensors(tinyEntries()));
    const reader = await openWeights(await resolveSource({ "model.safetensors": good.stream }), tiny, { onProgress() { throw new RangeError("mine"); } });
    await assert.rejects(reader.stream(new RecordingSink()), RangeError);
    assert.equal(good.cancelled(), true);
  });

  it("stops when the signal aborts, with its reason, wherever it is", async () => {
    const reason = new Error("enough");
    const bytes = safetensors(tinyEntries());
    await assert.rejects(read(file(bytes), tiny, { signal: AbortSignal.abort(reason) }), (error) => error === reason);

    const during = new AbortController();
    const half = watched(bytes);
    const reader = await openWeights(await resolveSource({ "model.safetensors": half.stream }), tiny, { signal: during.signal });
    await assert.rejects(reader.stream({ write: () => during.abort(reason) }), (error) => error === reason);
    assert.equal(half.cancelled(), true);
  });

  it("does not wait for a stream that gives nothing", { timeout: 10_000 }, async () => {
    const reason = new Error("waited long enough");
    for (const given of [0, 30, 3000]) {
      const controller = new AbortController();
      const bytes = safetensors(tinyEntries());
      const silent = new ReadableStream<Uint8Array>({
        start: (stream) => { if (given > 0) stream.enqueue(bytes.slice(0, given)); },
        pull: () => new Promise(() => setTimeout(() => controller.abort(reason), 1)),
        cancel: () => new Promise(() => {}), // nor does it answer to this
      });
      await assert.rejects(read({ "model.safetensors": silent }, tiny, { signal: controller.signal }), (error) => error === reason);
    }
  });
});

describe("a safetensors file that cannot be", () => {
  const entries = tinyEntries();
  const good = safetensors(entries);
  const headerBytes = new DataView(good.buffer).getUint32(0, true);

  it("is refused when it is cut off, wherever", async () => {
    for (const length of [0, 1, 7, 8, 9, 8 + headerBytes - 1, 8 + headerBytes, good.length - 1]) {
      await refuses(file(good.slice(0, length)), "weights", "model.safetensors");
      const stream = { "model.safetensors": pieces(good.slice(0, length), 50) }; // its size is not known
      if (length < 8 + headerBytes) await refuses(stream, "weights", "model.safetensors");
      else await assert.rejects(read(stream), { code: "source", argument: "model.safetensors" });
    }
    await refuses(file(good.slice(0, -1)), "weights", "model.safetensors", String(good.length), String(good.length - 1), "cut off", "download it again");
  });

  it("is refused with something behind its end", async () => {
    const longer = new Uint8Array(good.length + 1);
    longer.set(good);
    await refuses(file(longer), "weights", "model.safetensors", "appended");
    for (const size of [1, 50, longer.length]) await assert.rejects(read({ "model.safetensors": pieces(longer, size) }), { code: "weights", argument: "model.safetensors" });
  });

  it("is recognised for what it is instead", async () => {
    const text = (start: string) => file(new TextEncoder().encode(start.padEnd(300)));
    await refuses(text("version https://git-lfs.github.com/spec/v1\noid sha256:"), "weights", "model.safetensors", "Git LFS", "git lfs pull");
    await refuses(text("<!DOCTYPE html>"), "weights", "model.safetensors", "web page");
    await refuses(text("PK\u0003\u0004\u0000\u0000\u0008\u0008"), "weights", "model.safetensors", "PyTorch");
    await refuses(text("GGUF\u0003\u0000\u0000\u0000"), "weights", "model.safetensors", "GGUF");
    await refuses(file(new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 1, 1])), "weights", "model.safetensors", "gzip");
    for (const body of ['{"error":"Invalid username or password."}', '\n [{ "error": "Rate limit" }]', '{"detail":"ü ' + "x".repeat(500) + '"}', '{"a":1}', "{}"]) {
      const bytes = new TextEncoder().encode(body);
      const start = body.trim().slice(0, 15);
      for (const form of [bytes, pieces(bytes, 1), pieces(bytes, 9)]) await refuses({ "model.safetensors": form }, "weights", "model.safetensors", "it is JSON", "server's error message", start, "credentials");
    }
    // A length in the first bytes may look like the beginning of JSON.
    const header = JSON.stringify(headerOf(entries)).padEnd(0x227b);
    assertCame((await read(file(joinFile(header, data(entries))))).tensors, entries);
  });

  it("is refused with a header that is too long or too short", async () => {
    const header = JSON.stringify(headerOf(entries));
    for (const length of [100_000_001n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) await refuses(file(joinFile(header, data(entries), length)), "weights", "model.safetensors", "no safetensors file");
    await refuses(file(joinFile(header, data(entries), 99_999_999n)), "weights", "model.safetensors", "99999999");
    await refuses({ "model.safetensors": pieces(joinFile(header, data(entries), 99_999_999n), 999) }, "weights", "model.safetensors", "ends within its header");
    await refuses(file(joinFile(header, data(entries), 0n)), "weights", "model.safetensors", "empty");
    await refuses(file(joinFile(header, data(entries), BigInt(header.length - 1))), "weights", "model.safetensors", "not JSON");
  });

  it("is refused with a header that is no JSON object of tensors", async () => {
    for (const header of ["[]", "null", "7", '"x"', "{", "{}x"]) await refuses(file(joinFile(header, [])), "weights", "model.safetensors");
    await refuses(file(joinFile("{}", [])), "weights", "model.safetensors", "no tensors");
    await refuses(file(joinFile('{"__metadata__": {}}', [])), "weights", "model.safetensors", "no tensors");
    await refuses(file(joinFile(new Uint8Array([0x7b, 0xff, 0x7d]), [])), "weights", "model.safetensors", "UTF-8");
    for (const entry of ["null", "[]", "3", '"F32"', "{}", '{"dtype": "F32"}', '{"dtype": "F32", "shape": [1]}', '{"dtype": 3, "shape": [1], "data_offsets": [0, 4]}']) {
      await refuses(file(joinFile(`{"wte.weight": ${entry}}`, [])), "weights", "wte.weight");
    }
  });

  it("is refused with a byte order mark before the header, which must begin with {", async () => {
    const text = JSON.stringify(headerOf(entries));
    await refuses(file(joinFile("\ufeff" + text, data(entries))), "weights", "model.safetensors", "byte order mark");
    await refuses({ "model.safetensors": pieces(joinFile("\ufeff" + text, data(entries)), 3) }, "weights", "model.safetensors", "byte order mark");
  });

  it("is refused with metadata that are no texts by name", async () => {
    const withMetadata = (metadata: string) => file(joinFile(`{"__metadata__": ${metadata}, ${JSON.stringify(headerOf(entries)).slice(1)}`, data(entries)));
    for (const metadata of ["null", "[]", "3", '"pt"', "true", '["format"]']) await refuses(withMetadata(metadata), "weights", "__metadata__", "object");
    for (const value of ["null", "1", "[]", "{}", "true"]) await refuses(withMetadata(`{"format": "pt", "step": ${value}}`), "weights", "step", "__metadata__");
    for (const metadata of ["{}", '{"format": "pt"}', '{"": "", "__proto__": "x"}']) assertCame((await read(withMetadata(metadata))).tensors, entries);
  });

  it("is refused with a key twice, or a tensor under two names", async () => {
    const header = JSON.stringify(headerOf(entries));
    const twice = header.replace('"transformer.wpe.weight"', '"transformer.wte.weight"');
    await refuses(file(joinFile(twice, data(entries))), "weights", "model.safetensors", "transformer.wte.weight", "twice");
    const both = [...entries, { name: "wpe.weight", shape: [5, 6] }];
    await refuses(file(safetensors(both)), "weights", "wpe.weight", "transformer.wpe.weight", "same tensor");
  });

  /** The header with one field of one tensor changed. */
  const changed = (name: string, change: object) => {
    const header = headerOf(entries) as Record<string, object>;
    header[name] = { ...header[name], ...change };
    return file(joinFile(JSON.stringify(header), data(entries)));
  };

  it("is refused with offsets that are none, overlap, leave gaps or lead outside", async () => {
    const name = "transformer.wpe.weight";
    const [begin, end] = headerOf(entries)[name].data_offsets;
    const bad: unknown[] = [
      null, [], [begin], [begin, end, end], ["0", "4"], [begin + 0.5, end + 0.5], [-4, end - begin - 4], [end, begin], [2 ** 53, 2 ** 53 + 120], [1e300, 1e300], { 0: begin, 1: end },
      [begin - 4, end - 4], [begin + 4, end + 4], [0, end - begin], [1e6, 1e6 + end - begin], [begin, end + 4], [begin, end - 4], [begin, begin],
    ];
    for (const offsets of bad) {
      await assert.rejects(read(changed(name, { data_offsets: offsets })), { code: "weights" }, JSON.stringify(offsets));
    }
    await refuses(changed(name, { data_offsets: [begin + 4, end + 4] }), "weights", name, "gap");
    await refuses(changed(name, { data_offsets: [begin - 4, end - 4] }), "weights", name, "within", "transformer.wte.weight");
    await refuses(changed(name, { data_offsets: [2 ** 53, 2 ** 53 + 120] }), "weights", name, "2^53");
  });

  it("is refused with shapes that are none, or of another model", async () => {
    const name = "transformer.h.1.mlp.c_fc.weight";
    for (const shape of [null, "6,10", [6, -10], [6.5, 10], ["6", 10], [6, 10, 2], [2 ** 53, 10], [1e200, 1e200], new Array(17).fill(1)]) await refuses(changed(name, { shape }), "weights", name);
    await refuses(changed(name, { shape: [10, 6] }), "weights", name, "expected shape [6, 10]", "got [10, 6]", "transposed", "Conv1D");
    await refuses(changed(name, { shape: [60] }), "weights", name, "expected shape [6, 10]", "different models");
    await refuses(changed(name, { shape: [5, 12] }), "weights", name, "got [5, 12]");
    await refuses(changed(name, { shape: [6, 1, 10] }), "weights", name);
  });

  it("is refused with types that kvasm does not read", async () => {
    const name = "transformer.wte.weight";
    for (const dtype of ["I32", "U32"]) await refuses(changed(name, { dtype }), "unsupported", name, `"${dtype}"`, "F32, F16, BF16, F64");
    for (const dtype of ["F4", "f32", "", "toString", "__proto__"]) await refuses(changed(name, { dtype }), "unsupported", name, "F32, F16, BF16, F64");
    for (const dtype of ["F16", "F64", "F8_E4M3", "BOOL"]) await refuses(changed(name, { dtype }), "weights", name, "bytes"); // the span is another
    for (const dtype of [null, 3, [], {}]) await refuses(changed(name, { dtype }), "weights", name, "dtype");
  });

  it("is refused with a tensor missing, whichever", async () => {
    for (const { name } of entries) await refuses(file(safetensors(entries.filter((entry) => entry.name !== name))), "weights", name, "missing");
    const untied = parseConfig(JSON.stringify({ ...TINY, tie_word_embeddings: false }));
    await assert.rejects(read(file(good), untied), { code: "weights", argument: "lm_head.weight" });
    await refuses(file(safetensors([{ name: "lm_head.weight", shape: [11, 6] }])), "weights", "wpe.weight", "missing");
    await refuses(file(safetensors([{ name: "h.0.attn.bias", shape: [1] }])), "weights", "wte.weight", "no tensor of a GPT-2");
  });

  it("is refused with prefixes mixed, or of a wrapper", async () => {
    const mixed = entries.map((entry, i) => (i === 3 ? { ...entry, name: entry.name.replace("transformer.", "") } : entry));
    await refuses(file(safetensors(mixed)), "weights", mixed[3].name, "transformer.wte.weight", mixed[3].name);
    for (const prefix of ["module.transformer.", "_orig_mod.", "model.transformer.", "transformer.transformer."]) {
      const wrapped = entries.map((entry) => ({ ...entry, name: entry.name.replace("transformer.", prefix) }));
      await refuses(file(safetensors(wrapped)), "weights", wrapped[0].name, "prefix", "wrapper");
    }
  });

  it("is refused when the configuration is of another model", async () => {
    for (const change of [{ n_embd: 8 }, { n_inner: 12 }, { vocab_size: 12 }, { n_positions: 6 }, { n_layer: 1 }, { n_layer: 3 }]) {
      await assert.rejects(read(file(good), parseConfig(JSON.stringify({ ...TINY, ...change }))), { code: "weights" }, JSON.stringify(change));
    }
    await assert.rejects(read(file(good), parseConfig(JSON.stringify({ ...TINY, n_layer: 3 }))), /n_layer 3/);
  });

  it("is refused when the stream gives something else than bytes", async () => {
    for (const chunk of ["text", 7, null, new Float32Array(4), new ArrayBuffer(8), {}]) {
      const stream = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(chunk as Uint8Array) });
      await assert.rejects(read({ "model.safetensors": stream }), { code: "type", argument: "model.safetensors" });
    }
  });
});
