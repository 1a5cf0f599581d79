import { load } from "../../bindings/index.ts";
import { KvasmError } from "../../bindings/errors.ts";
import { ByteReader, missing, readText } from "../../bindings/files/bytes.ts";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import { parseId } from "../../bindings/hub/id.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import type { ModelBytes, ModelFiles } from "../../bindings/files/files.ts";
import { RecordingSink, TINY, pieces, safetensors, tinyEntries, tinyModel } from "../support/checkpoint.ts";
import { repositoryUrl } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";

const tiny = parseConfig(JSON.stringify(TINY));
const good = safetensors(tinyEntries());

async function readWeights(files: ModelFiles, signal?: AbortSignal) {
  const sink = new RecordingSink();
  await (await openWeights(files, tiny, { signal })).stream(sink);
  return sink.tensors;
}

async function refuses(promise: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(KvasmError.is(error), `not a KvasmError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.includes(word), `${JSON.stringify(word)} in: ${error.message}`);
    return true;
  });
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
}

describe("a source given as a string", () => {
  it("is a hub's id if it looks like one, with a file or a revision", () => {
    const none = { file: undefined, revision: undefined };
    for (const id of ["gpt2", "distilgpt2", "openai-community/gpt2", "models/stories", "a.b-c_d/E.f"]) assert.deepEqual(parseId(id), { ...none, repository: id });
    assert.deepEqual(parseId("openai-community/gpt2@refs/pr/1"), { ...none, repository: "openai-community/gpt2", revision: "refs/pr/1" });
    assert.deepEqual(parseId("owner/name/q4/model.GGUF@main"), { repository: "owner/name", file: "q4/model.GGUF", revision: "main" });
    for (const text of ["a--b/c", "a/b.git", "a..b", "a/b/c", "a/b/../c.gguf", "a/b//c.gguf", "a@", "a@../b", "a@b c", `${"a".repeat(97)}/b`, "a/b/c\\d.gguf"]) assert.equal(parseId(text), undefined, text);
  });

  it("is refused if it is nothing that is known", async () => {
    for (const text of ["", " ", "a/b/c", "a b", "~/models/gpt2", "\\\\host\\share", "c:model", "models\\gpt2", "ftp://host/gpt2/", "data:text/plain,x", "blob:https://x/1", "-x", "gpt2\n", "@main", "…"]) {
      await refuses(resolveSource(text), "value", "source", "path", "URL");
    }
    await refuses(resolveSource("~/models"), "value", "shells");
    for (const text of ["http://", "https://["]) await refuses(resolveSource(text), "value", "no URL");
  });

  it("may be of another protocol only as an error", async () => {
    for (const url of ["ftp://host/gpt2/", "data:application/json,{}", "blob:https://host/1"]) await refuses(resolveSource(new URL(url)), "unsupported", "file:, http: or https:");
  });
});

describe("a path where there are no files", () => {
  const inBrowser = typeof document !== "undefined";

  it("is refused, or in a page is an address relative to it", async () => {
    for (const path of ["./model", "/model/", "C:\\model", "file:///model/"]) {
      if (inBrowser && /^[./]/.test(path)) {
        const asked: string[] = [];
        const fetch = async (input: RequestInfo | URL) => {
          asked.push(String(input));
          return new Response(null, { status: 404 });
        };
        assert.equal(await (await resolveSource(path, { fetch })).open("config.json"), null);
        assert.deepEqual(asked, [new URL(`${path.replace(/\/$/, "")}/config.json`, document.baseURI).href]);
        continue;
      }
      await refuses(resolveSource(path), inBrowser ? "unsupported" : "source", JSON.stringify(path).slice(1, -1), ...(inBrowser ? ["no files", "URL", "bytes"] : []));
    }
  });
});

describe("files given by their URLs", () => {
  const address = "http://host/a/weights?token=1";

  it("are read from there, each by its own", async () => {
    const asked: string[] = [];
    const fetch = async (input: RequestInfo | URL) => {
      asked.push(String(input));
      return new Response(good);
    };
    const files = await resolveSource({ "model.safetensors": new URL(address) }, { fetch });
    assert.deepEqual(await readWeights(files), await readWeights(await resolveSource({ "model.safetensors": good })));
    assert.deepEqual(asked, [address]);
    assert.equal(await files.open("config.json"), null);
  });

  it("are errors with the address where there is none, and of another protocol", async () => {
    const files = await resolveSource({ "model.safetensors": new URL(address) }, { fetch: async () => new Response(null, { status: 404 }) });
    await refuses(openWeights(files, tiny), "source", "model.safetensors", "404", "http://host/a/weights");
    for (const url of ["data:text/plain,x", "blob:https://host/1"]) {
      await assert.rejects((await resolveSource({ "config.json": new URL(url) })).open("config.json"), { code: "unsupported", argument: "config.json" });
    }
    if (typeof document === "undefined") {
      const nowhere = repositoryUrl("no/such/file");
      await refuses(openWeights(await resolveSource({ "model.safetensors": nowhere }), tiny), "source", `There is no ${nowhere.href}`);
    }
  });
});

describe("a source given as bytes", () => {
  it("may have Blobs, streams, ArrayBuffers and Uint8Arrays, views included", async () => {
    const framed = new Uint8Array(good.length + 16);
    framed.set(good, 8);
    const whole = await readWeights(await resolveSource({ "model.safetensors": good }));
    const forms: ModelBytes[string][] = [new Blob([good]), pieces(good, 77), good.buffer, framed.subarray(8, -8), new Response(good).body!];
    for (const form of forms) assert.deepEqual(await readWeights(await resolveSource({ "model.safetensors": form })), whole);
  });

  it("says the size of what has one", async () => {
    const files = await resolveSource({ a: new Blob(["abc"]), b: new ArrayBuffer(5), c: new Uint8Array(7), d: pieces(good, 9) });
    for (const [name, size] of [["a", 3], ["b", 5], ["c", 7], ["d", undefined]] as const) assert.equal((await files.open(name))!.size, size);
    assert.equal(await files.open("e"), null);
    assert.equal(await files.open("toString"), null);
  });

  it("is refused if it is no object of files", async () => {
    for (const value of [null, 3, true, [], [good], good, good.buffer, new Blob([]), pieces(good, 9), Symbol("x"), () => {}, 1n, new DataView(good.buffer)]) {
      await refuses(resolveSource(value as unknown as ModelBytes), "type", "source");
    }
    for (const value of [null, undefined, "text", 3, [1, 2], {}, new Float32Array(2), new DataView(new ArrayBuffer(2)), Promise.resolve(good)]) {
      await assert.rejects(resolveSource({ "config.json": value } as unknown as ModelBytes), { code: "type", argument: "config.json" });
    }
  });

  it("says what was given when a file is missing", async () => {
    const files = await resolveSource({ "config.jsn": new Blob([]), "weights.safetensors": good });
    await refuses(openWeights(files, tiny), "source", "model.safetensors: not found in the bytes given", '"config.jsn", "weights.safetensors"', "model.safetensors.index.json", ".gz", "pytorch_model.bin");
    await assert.rejects(missing(files, "config.json"), { code: "source", argument: "config.json" });
    await refuses(openWeights(await resolveSource({}), tiny), "source", "No files were given");
  });

  it("is refused the second time a stream is to be read", async () => {
    const stream = pieces(good, 99);
    const files = await resolveSource({ "model.safetensors": stream });
    const held = stream.getReader();
    await refuses(readWeights(files), "source", "stream", "in use");
    held.releaseLock();
    await readWeights(files);
    await refuses(readWeights(files), "source", "in use, or was read before");
  });

  it("passes on that a stream failed", async () => {
    const failing = (at: number) => {
      let sent = 0;
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent >= at) return controller.error(new TypeError("network went away"));
          controller.enqueue(good.slice(sent, sent += 50));
        },
      }, { highWaterMark: 0 });
    };
    for (const at of [0, 50, 1000, 4000]) await refuses(readWeights(await resolveSource({ "model.safetensors": failing(at) })), "source", "model.safetensors", `broke off after ${at} bytes`, "network went away");
  });

  it("gives the event loop a turn while much is read", async () => {
    const big = new Uint8Array(40 << 20);
    const file = await (await resolveSource({ big })).open("big");
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const reader = new ByteReader(file!, "big", "here", undefined);
    let bytes = 0;
    for (let chunk = await reader.chunk(); chunk !== null; chunk = await reader.chunk()) bytes += chunk.length;
    clearInterval(timer);
    assert.equal(bytes, big.length);
    assert.ok(turns >= 1);
  });
});

describe("text among the files", () => {
  const text = async (bytes: Uint8Array<ArrayBuffer>, limit = 100) => readText(await resolveSource({ "x.json": bytes }), "x.json", limit);

  it("is UTF-8, with or without a byte order mark", async () => {
    assert.equal(await text(new TextEncoder().encode("é\u{1F600}")), "é\u{1F600}");
    assert.equal(await text(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d])), "{}");
    assert.equal(await text(new Uint8Array(0)), "");
    assert.equal(await readText(await resolveSource({}), "x.json", 10), null);
    const parts = await resolveSource({ "x.json": pieces(new TextEncoder().encode("é\u{1F600}"), 1) });
    assert.equal(await readText(parts, "x.json", 6), "é\u{1F600}");
  });

  it("is refused in another encoding, or beyond its limit", async () => {
    await refuses(text(new Uint8Array([0xff, 0xfe, 0x7b, 0])), "source", "x.json", "UTF-8");
    await refuses(text(new Uint8Array([0x7b, 0xc3])), "source", "UTF-8");
    await refuses(text(new Uint8Array(101)), "source", "more than 100 bytes");
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1000)) });
    await refuses(readText(await resolveSource({ "x.json": endless }), "x.json", 1e6), "source", "more than 1000000 bytes");
  });
});

describe("weights compressed with gzip", () => {
  it("are read where the plain file is missing", async () => {
    const whole = await readWeights(await resolveSource({ "model.safetensors": good }));
    const packed = await gzip(good);
    for (const form of [packed, new Blob([packed]), pieces(packed, 1), pieces(packed, 2, 100)]) {
      assert.deepEqual(await readWeights(await resolveSource({ "model.safetensors.gz": form })), whole);
    }
    assert.deepEqual(await readWeights(await resolveSource({ "model.safetensors": good, "model.safetensors.gz": new Uint8Array(9) })), whole);
  });

  it("may have been decompressed on the way, as servers do", async () => {
    const whole = await readWeights(await resolveSource({ "model.safetensors": good }));
    for (const size of [1, 2, 500]) assert.deepEqual(await readWeights(await resolveSource({ "model.safetensors.gz": pieces(good, size) })), whole);
  });

  it("are refused when they are damaged", async () => {
    const packed = await gzip(good);
    for (const length of [0, 1, 2, 9, packed.length >> 1, packed.length - 1]) {
      await assert.rejects(readWeights(await resolveSource({ "model.safetensors.gz": packed.slice(0, length) })), (error) => KvasmError.is(error) && ["source", "weights"].includes(error.code), `${length} bytes`);
    }
    const bent = packed.slice();
    bent[packed.length >> 1] ^= 0x55;
    await assert.rejects(readWeights(await resolveSource({ "model.safetensors.gz": bent })), (error) => KvasmError.is(error));
  });

  it("stop when the signal aborts", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const packed = await gzip(good);
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (stream) => { stream.enqueue(packed.slice(0, 30)); controller.abort(reason); },
      cancel: () => { cancelled = true; },
    }, { highWaterMark: 0 });
    await assert.rejects(readWeights(await resolveSource({ "model.safetensors.gz": stream }), controller.signal), (error) => error === reason);
    assert.equal(cancelled, true);
  });
});

describe("the model that ships with the package", () => {
  it("is found from the package, its configuration in the code, and nothing is asked for that is not there", async () => {
    // This suite's own bundle for browsers is as a bundler makes one: the model is not in it.
    if (typeof document !== "undefined") return refuses(resolveSource(undefined), "unsupported", 'import stories from "kvasm/stories"');
    const requested: string[] = [];
    const files = await resolveSource(undefined, { fetch: (input) => { requested.push(String(input)); return fetch(input); } });
    const text = await readText(files, "config.json", 1e5);
    assert.equal(parseConfig(text!).n_embd, 192);
    assert.equal(await files.open("tokenizer.json"), null);
    assert.equal(await files.open("model.safetensors.index.json"), null);
    assert.deepEqual(requested, []);
  });

  it("is loaded by the package in a page too, with one request", async () => {
    const requested: string[] = [];
    const model = await load(undefined, { fetch: (input) => { requested.push(String(input)); return fetch(input); } });
    assert.equal(model.config.n_embd, 192);
    model.dispose();
    assert.deepEqual(requested, typeof document === "undefined" ? [] : [repositoryUrl("models/stories/model.safetensors.gz").href]);
  });

  it("is not looked for after an abort", async () => {
    await assert.rejects(resolveSource(undefined, { signal: AbortSignal.abort(new Error("no")) }), /no/);
  });
});

describe("an http(s) source, by a fetch of the caller's", () => {
  const model = tinyModel();
  const serve = (answer: (url: URL, signal: AbortSignal | null | undefined) => Response | Promise<Response>) => {
    const asked: string[] = [];
    const fetch = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
      asked.push(String(input));
      return Promise.resolve(answer(new URL(String(input)), init?.signal));
    };
    return { asked, fetch };
  };
  const body = (name: string) => model[name] as Uint8Array<ArrayBuffer>;

  it("asks for files beside each other, the query included", async () => {
    for (const [source, folder, query] of [
      ["https://host/gpt2", "https://host/gpt2/", ""], ["https://host/gpt2/", "https://host/gpt2/", ""], ["https://host/", "https://host/", ""], ["https://host", "https://host/", ""],
      ["https://host/a/b/?token=1#x", "https://host/a/b/", "?token=1"], ["https://host/a/model.safetensors?t=1", "https://host/a/", "?t=1"], ["HTTPS://host/a%20b/", "https://host/a%20b/", ""],
    ]) {
      const { asked, fetch } = serve(() => new Response(good));
      const files = await resolveSource(source, { fetch });
      await files.open("config.json");
      await files.open("model.safetensors");
      assert.deepEqual(asked, [`${folder}config.json${query}`, `${folder}model.safetensors${query}`]);
    }
    const { asked, fetch } = serve(() => new Response(good));
    const files = await resolveSource(new URL("http://host/a/other-name.safetensors"), { fetch });
    await files.open("model.safetensors");
    await files.open("config.json");
    assert.deepEqual(asked, ["http://host/a/other-name.safetensors", "http://host/a/config.json"]);
  });

  it("reads a named .gz", async () => {
    const packed = await gzip(good);
    const { asked, fetch } = serve((url) => new Response(url.pathname.endsWith(".gz") ? packed : "another file"));
    const files = await resolveSource("https://host/a/m.safetensors.gz", { fetch });
    assert.equal((await readWeights(files)).size, 28);
    assert.deepEqual(asked, ["https://host/a/m.safetensors.gz"]);
  });

  it("of one shard of several says to pass the folder, and takes no other file for one that is named", async () => {
    const { asked, fetch } = serve((url) => url.pathname.endsWith("config.json") ? new Response(body("config.json")) : new Response("", { status: 404 }));
    await refuses(load("https://host/m/model-00002-of-00003.safetensors?token=secret", { fetch }), "source", "https://host/m/model-00002-of-00003.safetensors) is one of several", "Pass the folder");
    asked.length = 0;
    await refuses(readWeights(await resolveSource("https://host/m/other.safetensors", { fetch })), "source", "not found in https://host/m/other.safetensors", "404");
    // Files of a tokenizer may still be asked for, by the load that failed.
    assert.deepEqual(asked.filter((url) => url.includes("safetensors")), ["https://host/m/other.safetensors", "https://host/m/model.safetensors.index.json"]);
  });

  it("takes 404, 410, 401, 403 and web pages for files that are not there, and says so", async () => {
    const answers: [Response, string][] = [
      [new Response("", { status: 404 }), "404"], [new Response("", { status: 410 }), "410"],
      [new Response("", { status: 401 }), "401 for https://host/gpt2/config.json: it may be missing, or it may need credentials"], [new Response("", { status: 403 }), "credentials"],
      [new Response("<!doctype html>", { headers: { "content-type": "text/html; charset=utf-8" } }), "web page"],
    ];
    for (const [response, word] of answers) {
      const files = await resolveSource("https://host/gpt2?token=secret", { fetch: serve(() => response.clone()).fetch });
      assert.equal(await files.open("config.json"), null);
      await assert.rejects(missing(files, "config.json"), (error: unknown) => KvasmError.is(error) && error.code === "source" && error.value === response.status && error.message.includes(word) && !error.message.includes("secret"));
    }
    const hub = await resolveSource("https://huggingface.co/openai-community/gpt2", { fetch: serve(() => new Response("", { status: 404 })).fetch });
    await refuses(readWeights(hub), "source", "/resolve/main/");
  });

  it("gives other answers as errors, with the status", async () => {
    for (const [status, word] of [[400, ""], [402, ""], [429, "later"], [500, "later"], [503, "later"]] as const) {
      const files = await resolveSource("https://host/gpt2/?token=secret", { fetch: serve(() => new Response("no", { status })).fetch });
      await refuses(files.open("config.json"), "source", "https://host/gpt2/config.json", String(status), word);
      await assert.rejects(files.open("config.json"), (error: unknown) => KvasmError.is(error) && error.value === status && error.argument === "config.json" && !error.message.includes("secret"));
    }
  });

  it("gives a failing fetch as an error with its cause", async () => {
    const cause = new TypeError("fetch failed", { cause: new Error("getaddrinfo ENOTFOUND host") });
    const files = await resolveSource("https://host/gpt2/", { fetch: () => Promise.reject(cause) });
    await refuses(files.open("config.json"), "source", "no answer", "fetch failed", "ENOTFOUND");
    await assert.rejects(files.open("config.json"), (error: unknown) => (error as Error).cause === cause);
    const throwing = await resolveSource("https://host/gpt2/", { fetch: () => { throw new Error("not allowed here"); } });
    await refuses(throwing.open("config.json"), "source", "not allowed here");
  });

  it("refuses what is no Response", async () => {
    for (const value of [undefined, null, 3, "text", {}, { status: 200, ok: true, body: "text" }, { status: 200, ok: true, body: { pipe() {} } }]) {
      const files = await resolveSource("https://host/gpt2/", { fetch: () => Promise.resolve(value as unknown as Response) });
      await assert.rejects(files.open("config.json"), { code: "type", argument: "fetch" });
    }
  });

  it("notices a body shorter than announced, and not where compression makes the count another", async () => {
    const text = async (headers: Record<string, string>) => readText(await resolveSource("https://host/", { fetch: serve(() => new Response("{}", { headers })).fetch }), "config.json", 100);
    await refuses(text({ "content-length": "9" }), "source", "ended after 2 of 9 bytes");
    assert.equal(await text({ "content-length": "2" }), "{}");
    assert.equal(await text({ "content-length": "9", "content-encoding": "gzip" }), "{}");
    await refuses(text({ "content-length": "9", "content-encoding": "identity" }), "source", "2 of 9");
    for (const length of ["x", "-1", "", "1e3", "99999999999999999999"]) assert.equal(await text({ "content-length": length }), "{}");
    const empty = await resolveSource("https://host/", { fetch: serve(() => new Response(null, { headers: { "content-length": "0" } })).fetch });
    assert.equal(await readText(empty, "config.json", 100), "");
  });

  it("does not trust the count of an answer from another origin, which may have been compressed in secret", async () => {
    const response = new Response("{}", { headers: { "content-length": "9" } });
    Object.defineProperty(response, "type", { value: "cors" });
    assert.equal(await readText(await resolveSource("https://host/", { fetch: serve(() => response).fetch }), "config.json", 100), "{}");
  });

  it("knows by content-length that weights are cut off, before any of them is read", async () => {
    const cut = await resolveSource("https://host/", { fetch: serve(() => new Response(body("model.safetensors"), { headers: { "content-length": String(good.length - 4) } })).fetch });
    await refuses(readWeights(cut), "weights", "cut off");
  });

  it("passes the signal, and does not wait for a fetch that ignores it", { timeout: 10_000 }, async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    let passed: AbortSignal | null | undefined;
    const files = await resolveSource("https://host/", { signal: controller.signal, fetch: serve((_url, signal) => { passed = signal; return new Promise(() => {}); }).fetch });
    const opening = files.open("config.json");
    setTimeout(() => controller.abort(reason), 1);
    await assert.rejects(opening, (error) => error === reason);
    assert.equal(passed, controller.signal);
    await assert.rejects(files.open("config.json"), (error) => error === reason);
  });

  it("needs a fetch", async () => {
    for (const value of [3, {}, "fetch"]) await assert.rejects(resolveSource("https://host/", { fetch: value as unknown as typeof fetch }), { code: "unsupported", argument: "fetch" });
  });
});
