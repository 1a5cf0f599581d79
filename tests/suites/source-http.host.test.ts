import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { KvasmError } from "../../bindings/errors.ts";
import { readText } from "../../bindings/files/bytes.ts";
import { parseConfig } from "../support/config.ts";
import { openWeights } from "../../bindings/weights/reader.ts";
import { resolveSource } from "../../bindings/model/source.ts";
import { RecordingSink, TINY, safetensors, tinyEntries, tinyModel } from "../support/checkpoint.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";

const tiny = parseConfig(JSON.stringify(TINY));
const good = safetensors(tinyEntries());
const config = tinyModel()["config.json"] as Uint8Array;

/** Answers by the first folder of the path; closed connections are noted. */
let server: Server;
let origin: string;
let closedEarly = 0;

before(async () => {
  server = createServer((request, response) => {
    response.on("close", () => { if (!response.writableFinished) closedEarly++; });
    const [, way, name] = new URL(request.url!, "http://host").pathname.split("/");
    const bytes = name === "config.json" ? config : name === "model.safetensors" ? good : undefined;
    const answer = WAYS[way];
    if (answer === undefined) response.writeHead(404).end();
    else answer(response, bytes, name);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => new Promise<void>((resolve) => {
  server.close(() => resolve());
  server.closeAllConnections();
}));

const WAYS: Record<string, (response: ServerResponse, bytes: Uint8Array | undefined, name: string) => void> = {
  plain(response, bytes) {
    if (bytes === undefined) response.writeHead(404).end("not here");
    else response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  },
  chunked(response, bytes) {
    if (bytes === undefined) return void response.writeHead(404).end();
    response.writeHead(200);
    for (let at = 0; at < bytes.length; at += 501) response.write(bytes.subarray(at, at + 501));
    response.end();
  },
  compressed(response, bytes) {
    if (bytes === undefined) return void response.writeHead(404).end();
    const packed = gzipSync(bytes);
    response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length }).end(packed);
  },
  gz(response, bytes, name) {
    if (name === "config.json") response.end(bytes);
    else if (name === "model.safetensors.gz") response.end(gzipSync(good));
    else response.writeHead(404).end();
  },
  gzEncoded(response, bytes, name) { // what many servers make of a .gz
    if (name === "config.json") response.end(bytes);
    else if (name === "model.safetensors.gz") response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(good));
    else response.writeHead(404).end();
  },
  moved: (response, _bytes, name) => void response.writeHead(302, { location: `/plain/${name}` }).end(),
  circle: (response, _bytes, name) => void response.writeHead(302, { location: `/circle/${name}` }).end(),
  application: (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>App</title>"),
  gated: (response) => void response.writeHead(401).end("{}"),
  cut(response, bytes) { // breaks off
    if (bytes === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, bytes.length - 40), () => setTimeout(() => response.destroy(), 20));
  },
  cutChunked(response, bytes) { // ends as if that were all
    if (bytes === undefined) return void response.writeHead(404).end();
    response.writeHead(200);
    response.end(bytes.subarray(0, bytes.length - 40));
  },
  stalls(response, bytes) {
    if (bytes === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, bytes.length - 40));
  },
  silent() {},
};

async function readModel(way: string, signal?: AbortSignal) {
  const files = await resolveSource(`${origin}/${way}/`, { signal });
  const text = await readText(files, "config.json", 1e5, signal);
  assert.equal(parseConfig(text!).n_embd, TINY.n_embd);
  return readWeights(way, signal);
}

async function readWeights(way: string, signal?: AbortSignal) {
  const sink = new RecordingSink();
  const reader = await openWeights(await resolveSource(`${origin}/${way}`, { signal }), tiny, { signal });
  await reader.stream(sink);
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

describe("a model behind a server", () => {
  it("is read plain, in chunks, compressed on the way, as a .gz, after a redirect", async () => {
    const whole = await readModel("plain");
    assert.equal(whole.size, 28);
    for (const way of ["chunked", "compressed", "gz", "gzEncoded", "moved"]) assert.deepEqual(await readModel(way), whole, way);
    assert.deepEqual(await readWeights("plain/model.safetensors"), whole);
  });

  it("has its size where the server says it", async () => {
    for (const [way, size] of [["plain", good.length], ["chunked", undefined], ["compressed", undefined]] as const) {
      const file = (await (await resolveSource(`${origin}/${way}/`)).open("model.safetensors"))!;
      assert.equal(file.size, size);
      await file.stream.cancel();
    }
  });
});

describe("a model that a server does not give", () => {
  it("is not found", async () => {
    await refuses(readWeights("absent/"), "source", "model.safetensors: not found in http://127.0.0.1", "404");
    await refuses(readWeights("application/"), "source", "not found", "web page");
    await refuses(readWeights("gated/"), "source", "not found", "401", "may be missing", "credentials");
    await refuses(readWeights("circle/"), "source", "no answer");
  });

  it("is not found where no server is", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await new Promise((resolve) => other.close(resolve));
    const files = await resolveSource(`http://127.0.0.1:${port}/`);
    await refuses(files.open("config.json"), "source", "no answer", `http://127.0.0.1:${port}/config.json`);
  });

  it("is cut off", { timeout: 20_000 }, async () => {
    await refuses(readWeights("cut/"), "source", "model.safetensors");
    await refuses(readWeights("cutChunked/"), "source", "model.safetensors", "cut off", "download it again");
  });

  it("does not come: the signal ends it, and the connection is closed", { timeout: 20_000 }, async () => {
    const reason = new Error("waited long enough");
    for (const way of ["silent/", "stalls/"]) {
      const before = closedEarly;
      const controller = new AbortController();
      const reading = readWeights(way, controller.signal);
      setTimeout(() => controller.abort(reason), 50);
      await assert.rejects(reading, (error) => error === reason, way);
      for (let i = 0; closedEarly === before && i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.ok(closedEarly > before, way);
    }
    await assert.rejects(readWeights("stalls/", AbortSignal.timeout(50)), { name: "TimeoutError" });
  });

  it("is let go by a reader that is closed before its data are read", async () => {
    const before = closedEarly;
    const reader = await openWeights(await resolveSource(`${origin}/stalls/`), tiny);
    await reader.close();
    for (let i = 0; closedEarly === before && i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(closedEarly > before);
  });
});
