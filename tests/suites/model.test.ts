/** load and Model: options, sizes, sources of the module, errors, and what a failure leaves behind. */
import { KvasmError, load } from "../../bindings/index.ts";
import type { LoadOptions } from "../../bindings/index.ts";
import { rejectsKvasm, throwsKvasm } from "../support/errors.ts";
import { repositoryFile, repositoryUrl } from "../support/files.ts";
import { assert, before, describe, it, sameBits } from "../support/harness.ts";
import { NOT_INTEGER, NOT_NUMBER, NOT_OPTIONS } from "../support/hostile.ts";
import { headerOfShape, withModel } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { withTensors } from "../support/reference-edit.ts";
import { checkpointFiles } from "../support/reference.ts";

const IDS = [1, 5, 60, 7, 0, 33];

let files: Files;
let bytes: Uint8Array<ArrayBuffer>;
let expected: Float32Array;

before(async () => {
  files = await checkpointFiles("odd");
  bytes = await repositoryFile("dist/kvasm.wasm");
  expected = await logitsOf({});
});

function logitsOf(options: LoadOptions): Promise<Float32Array> {
  return withModel(files, (model) => model.sequence().prefill(IDS), options);
}

describe("a loaded model", () => {
  it("has the configuration with every default filled in, and cannot be given another", () =>
    withModel("sparse-config", ({ config }) => {
      assert.equal(config.n_inner, 4 * config.n_embd);
      assert.equal(config.activation_function, "gelu_new");
      assert.equal(config.layer_norm_epsilon, 1e-5);
      assert.equal(config.scale_attn_weights, true);
      // The ids of later calls are checked against it: a larger vocabulary would read beyond the embedding.
      assert.throws(() => Object.assign(config, { vocab_size: 1e6 }), TypeError);
    }));

  it("says its memory by region, which together are not more than all of it", () =>
    withModel(files, ({ memory }) => {
      const { total, ...regions } = memory;
      const sum = Object.values(regions).reduce((a, b) => a + b, 0);
      assert.deepEqual(Object.keys(regions), ["header", "weights", "storedHead", "pages", "tables", "activations", "logits", "sampler"]);
      assert.ok(sum <= total && total - sum < 3 * 65536, `${sum} of ${total}`);
      assert.ok(regions.weights > 0 && regions.pages > 0);
      assert.throws(() => Object.assign(memory, { total: 0 }), TypeError);
    }));

  it("has four sequences' pages by default, and as many as asked for", async () => {
    const pages = (options: LoadOptions) => withModel("base", (model) => [model.contextLength, model.pages, model.freePages], options);
    assert.deepEqual(await pages({}), [64, 16, 16]);
    assert.deepEqual(await pages({ contextLength: 17 }), [17, 8, 8]);
    assert.deepEqual(await pages({ contextLength: 1, maxSequences: 1 }), [1, 1, 1]);
    assert.deepEqual(await pages({ maxSequences: 100 }), [64, 400, 400]);
  });

  it("makes a cache of at most cacheBytes", async () => {
    const page = 3 * 2 * 64 * 16 * 4; // layers, keys and values, width, tokens, bytes
    const pages = (cacheBytes: number) => withModel("base", (model) => [model.pages, model.memory.pages], { cacheBytes });
    assert.deepEqual(await pages(page), [1, page]);
    assert.deepEqual(await pages(3 * page - 1), [2, 2 * page]);
    assert.deepEqual(await pages(3 * page), [3, 3 * page]);
    const { value } = await rejectsKvasm(() => pages(page - 1), "value", "cacheBytes");
    assert.equal(value, page - 1);
  });

  it("computes the same with every size of context and cache", async () => {
    for (const options of [{ contextLength: 6, maxSequences: 1 }, { contextLength: 16 }, { contextLength: 17 }, { maxSequences: 33 }]) {
      sameBits(await logitsOf(options), expected, JSON.stringify(options));
    }
  });

  it("gives a stored head back when it is the embedding, and keeps one that is not", async () => {
    const head = (change: (head: Float32Array) => void) => withTensors(files, (tensors) => {
      const wte = tensors.get("wte.weight")!;
      const copy = wte.bytes.slice();
      change(new Float32Array(copy.buffer));
      tensors.set("lm_head.weight", { ...wte, bytes: copy });
    });
    const plain = await withModel(files, (model) => model.memory);
    await withModel(head(() => {}), (model) => {
      assert.deepEqual({ ...model.memory, total: 0 }, { ...plain, total: 0 });
      sameBits(model.sequence().prefill(IDS), expected, "a copy of the embedding as head");
    });
    await withModel(head((values) => { values[3] += 1; }), (model) => {
      assert.ok(model.memory.storedHead > 0);
      const logits = model.sequence().prefill(IDS);
      assert.notEqual(logits[0], expected[0]);
      sameBits(logits.subarray(1), expected.subarray(1), "the other rows of the head");
    });
  });
});

describe("the module's sources", () => {
  const response = (type: string, status = 200) => new Response(bytes, { status, headers: { "content-type": type } });

  it("may be bytes, a compiled Module, a Response of any MIME type, or a promise of them", async () => {
    const sources: Record<string, () => LoadOptions["wasm"]> = {
      "Uint8Array": () => bytes,
      "Uint8Array within a buffer": () => {
        const larger = new Uint8Array(bytes.length + 16);
        larger.set(bytes, 8);
        return larger.subarray(8, 8 + bytes.length);
      },
      "ArrayBuffer": () => bytes.slice().buffer,
      "Module": () => new WebAssembly.Module(bytes),
      "Response": () => response("application/wasm"),
      "Response, wrong MIME type": () => response("text/plain"),
      "promise of a Response": () => Promise.resolve(response("application/wasm")),
    };
    for (const [name, wasm] of Object.entries(sources)) sameBits(await logitsOf({ wasm: wasm() }), expected, name);
  });

  it("are refused if they are of another kind", async () => {
    for (const wasm of [null, 1, "kvasm.wasm", repositoryUrl("dist/kvasm.wasm"), {}, [], () => bytes, [...bytes.subarray(0, 8)]]) {
      await rejectsKvasm(() => load(files, { wasm: wasm as never }), "type", "wasm");
    }
  });

  it("are refused if they are no module, another one, or a failed Response", async () => {
    const other = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]); // a module without anything in it
    const wrong = bytes.slice();
    wrong[4] = 2;
    for (const wasm of [new Uint8Array(0), new ArrayBuffer(7), bytes.slice(0, 1000), wrong, other, new WebAssembly.Module(other)]) {
      await rejectsKvasm(() => load(files, { wasm }), "value", "wasm");
    }
    await rejectsKvasm(() => load(files, { wasm: response("application/wasm", 404) }), "source", "wasm");
    const used = response("application/wasm");
    await used.arrayBuffer();
    await rejectsKvasm(() => load(files, { wasm: used }), "source", "wasm");
    await assert.rejects(() => load(files, { wasm: Promise.reject(new RangeError("not today")) }), RangeError);
  });
});

describe("load's options", () => {
  const rejects = (options: unknown, code: Parameters<typeof rejectsKvasm>[1], argument: string) =>
    rejectsKvasm(() => load(files, options as LoadOptions), code, argument);

  it("must be an object, with known names only", async () => {
    for (const options of NOT_OPTIONS) await rejects(options, "type", "load options");
    for (const name of ["contextlength", "context_length", "thread", "weight", "onprogress", ""]) {
      const error = await rejectsKvasm(() => load(files, { [name]: 1 }), "option");
      assert.equal(error.argument, name);
      assert.match(error.message, /contextLength, maxSequences, cacheBytes/);
    }
  });

  it("take the names of weight and cache types, as they are", async () => {
    for (const argument of ["weights", "cache"]) {
      for (const value of [null, 8, true, {}, ["q8"]]) await rejects({ [argument]: value }, "type", argument);
      for (const value of ["", "Q8", "int8", "q8 ", "f64", "toString", "__proto__"]) await rejects({ [argument]: value }, "value", argument);
    }
    await rejects({ weights: "f16" }, "value", "weights");
    await rejects({ cache: "q4" }, "value", "cache");
  });

  it("must be of their kind and in range", async () => {
    for (const name of ["contextLength", "maxSequences", "cacheBytes"]) {
      for (const value of NOT_NUMBER) await rejects({ [name]: value }, "type", name);
      for (const value of [...NOT_INTEGER, 0, -1]) await rejects({ [name]: value }, "value", name);
    }
    await rejects({ contextLength: 2 ** 20 }, "value", "contextLength"); // more than n_positions
    await rejects({ maxSequences: 2 ** 21 }, "value", "maxSequences");
    await rejects({ maxSequences: 2, cacheBytes: 1e6 }, "option", "cacheBytes");
    for (const value of [null, 1, "fetch", {}]) {
      await rejects({ fetch: value }, "type", "fetch");
      await rejects({ onProgress: value }, "type", "onProgress");
      await rejects({ signal: value }, "type", "signal");
    }
  });

  it("say how many bytes a cache would need that does not fit", async () => {
    for (const options of [{ maxSequences: 2 ** 20 }, { cacheBytes: 2 ** 45 }]) {
      const error = await rejectsKvasm(() => load(files, options), "memory");
      assert.ok(Number(error.value) > 2 ** 32 - 65536, `${error.value}`);
      assert.match(error.message, /\d{10,} bytes/);
    }
  });

  it("say how many bytes weights would need that do not fit, before any of them is read", async () => {
    const width = 1600, layers = 48; // GPT-2 XL
    let pulled = 0;
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulled++ === 0) controller.enqueue(headerOfShape(width, layers, 50257, 1024).bytes);
        else controller.enqueue(new Uint8Array(1 << 16));
      },
      cancel() { cancelled = true; },
    }, { highWaterMark: 0 });
    const config = new TextEncoder().encode(JSON.stringify({ n_embd: width, n_head: 25, n_layer: layers }));
    const error = await rejectsKvasm(() => load({ "config.json": config, "model.safetensors": stream }), "memory", "weights");
    const parameters = layers * (12 * width * width + 13 * width) + (50257 + 1024 + 2) * width;
    assert.ok(Number(error.value) >= 4 * parameters && Number(error.value) < 4.05 * parameters, `${error.value}`);
    assert.ok(error.message.includes(`${error.value} bytes`));
    assert.ok(pulled < 20, `${pulled} chunks were read`);
    assert.ok(cancelled, "the stream was cancelled");
  });

  it("report progress up to the file's end", async () => {
    const seen: { loaded: number; total?: number | undefined; file: string }[] = [];
    await withModel(files, () => {}, { onProgress: (progress) => seen.push({ ...progress }) });
    const last = seen.at(-1)!;
    assert.ok(last.loaded > 200_000 && last.loaded === last.total, JSON.stringify(last));
    assert.equal(last.file, "model.safetensors");
    assert.ok(seen.every((one, i) => i === 0 || one.loaded >= seen[i - 1].loaded));
  });

  it("let a callback's own error through", async () => {
    await assert.rejects(() => load(files, { onProgress: () => { throw new RangeError("mine"); } }), RangeError);
  });

  it("abort with the signal's reason, before and while loading", async () => {
    const reason = { why: "no longer wanted" };
    await assert.rejects(() => load(files, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    const controller = new AbortController();
    await assert.rejects(() => load(files, { signal: controller.signal, onProgress: () => controller.abort(reason) }), (error) => error === reason);
    const stuck = new AbortController();
    const waiting = load(files, { signal: stuck.signal, wasm: new Promise(() => {}) });
    setTimeout(() => stuck.abort(reason), 1);
    await assert.rejects(() => waiting, (error) => error === reason);
    const later = new AbortController();
    const loading = load(files, { signal: later.signal });
    later.abort(reason);
    await assert.rejects(() => loading, (error) => error === reason);
  });
});

describe("a failed load", () => {
  it("can be tried again", async () => {
    const broken = withTensors(files, (tensors) => {
      new Float32Array(tensors.get("h.0.mlp.c_fc.weight")!.bytes.buffer)[77] = NaN;
    });
    const error = await rejectsKvasm(() => load(broken), "non-finite", "h.0.mlp.c_fc.weight");
    assert.equal(error.value, 77);
    assert.ok(error.message.includes("77"));
    await rejectsKvasm(() => load({ ...files, "config.json": new Uint8Array(3) }), "config");
    await rejectsKvasm(() => load({ "config.json": files["config.json"] }), "source");
    await rejectsKvasm(() => load({}), "source");
    await rejectsKvasm(() => load(new URL("ftp://127.0.0.1/model/")), "unsupported", "source");
    sameBits(await logitsOf({}), expected, "after failures");
  });

  it("names tensor and element for every kind of number that is none", async () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const [name, element] of [["wte.weight", 0], ["wpe.weight", 48 * 3 + 1], ["ln_f.bias", 47], ["h.1.attn.c_attn.weight", 48 * 144 - 1]] as const) {
        const broken = withTensors(files, (tensors) => { new Float32Array(tensors.get(name)!.bytes.buffer)[element] = bad; });
        const error = await rejectsKvasm(() => load(broken), "non-finite", name);
        assert.equal(error.value, element, name);
      }
    }
  });
});

describe("after dispose, a model", () => {
  it("throws `disposed` from every method, and dispose may be called again", async () => {
    const model = await load(files);
    model.dispose();
    model.dispose();
    throwsKvasm(() => model.sequence(), "disposed", "model");
    throwsKvasm(() => model.generate([1]), "disposed", "model");
    throwsKvasm(() => model.verify([1]), "disposed", "model");
    throwsKvasm(() => model.trace([1]), "disposed", "model");
    throwsKvasm(() => model.distribution(expected), "disposed", "model");
    throwsKvasm(() => model.restore(new Uint8Array(1)), "disposed", "model");
    await rejectsKvasm(() => model.restoreFrom(new ReadableStream()), "disposed", "model");
    await rejectsKvasm(() => model.score([[1, 2]]), "disposed", "model");
    throwsKvasm(() => model.step([]), "disposed", "model");
    throwsKvasm(() => model.freePages, "disposed", "model");
    assert.equal(model.config.vocab_size, 257); // what it was is still known
    assert.ok(model.memory.total > 0);
  });
});

describe("KvasmError", () => {
  it("is recognised across copies of the package", () => {
    const foreign = Object.assign(new Error("x"), { name: "KvasmError", code: "value" });
    assert.ok(KvasmError.is(foreign));
    for (const other of [new Error("x"), { name: "KvasmError", code: "value" }, null, undefined, "KvasmError"]) assert.ok(!KvasmError.is(other));
  });

  it("carries code, argument, value and cause", async () => {
    const error = await rejectsKvasm(() => load(files, { contextLength: 1e9 }), "value", "contextLength");
    assert.ok(error instanceof KvasmError && error instanceof Error);
    assert.equal(error.value, 1e9);
    assert.equal(error.cause, undefined);
    const { cause } = await rejectsKvasm(() => load(files, { wasm: new Uint8Array(1) }), "value", "wasm");
    assert.ok(cause instanceof WebAssembly.CompileError);
  });
});
