/** Hosts of other kinds, made in this Node: another realm without import.meta.url, and a bundle without kvasm.wasm beside it. */
import { copyFile, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { assertKvasmError } from "../support/errors.ts";
import { repositoryFile, repositoryUrl } from "../support/files.ts";
import { after, assert, before, describe, it, sameBits } from "../support/harness.ts";
import { withModel } from "../support/models.ts";
import type { Files } from "../support/models.ts";
import { checkpointFiles } from "../support/reference.ts";

type Library = typeof import("../../bindings/index.ts");

const IDS = [1, 2, 3];
let files: Files;
let expected: Float32Array;

before(async () => {
  files = await checkpointFiles("odd");
  expected = await withModel(files, (model) => model.sequence().prefill(IDS));
});

async function errorOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    return assert.fail(`expected an error, got ${String(await action())}`);
  } catch (error) {
    return error;
  }
}

describe("another realm, as in edge runtimes", () => {
  let library: Library;
  let foreign: { WebAssembly: typeof WebAssembly; Uint8Array: typeof Uint8Array; Uint32Array: typeof Uint32Array; AbortController: typeof AbortController };

  before(async () => {
    // As a script: there is no import.meta in it. esbuild says so, which is what is wanted here.
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(repositoryUrl("bindings/index.ts"))], bundle: true, write: false, format: "iife", globalName: "kvasm",
      platform: "neutral", mainFields: ["module", "main"], external: ["node:*"], logLevel: "silent",
    });
    // A realm has its own WebAssembly, Uint8Array and so on; what a host adds to that comes from ours.
    const host = { TextDecoder, TextEncoder, URL, ReadableStream, Blob, Response, AbortController, AbortSignal, performance, crypto, setTimeout, clearTimeout, setImmediate };
    const context = createContext({ ...host });
    runInContext(outputFiles[0].text, context);
    library = runInContext("kvasm", context);
    foreign = runInContext("({ WebAssembly, Uint8Array, Uint32Array })", context);
  });

  it("needs `wasm`, and says so", async () => {
    const error = assertKvasmError(await errorOf(() => library.load(files)), "engine", "wasm");
    assert.match(error.message, /import\.meta\.url/);
    assert.match(error.message, /Pass `wasm`/);
  });

  it("takes a Module of this realm, one of its own, and bytes of either", async () => {
    const bytes = await repositoryFile("dist/kvasm.wasm");
    for (const wasm of [new WebAssembly.Module(bytes), new foreign.WebAssembly.Module(bytes), bytes, new foreign.Uint8Array(bytes), bytes.buffer]) {
      const model = await library.load(files, { wasm });
      const logits = model.sequence().prefill(IDS);
      assert.ok(!(logits instanceof Float32Array), "it is another realm");
      sameBits(Float32Array.from(logits), expected);
      model.dispose();
    }
  });

  it("takes ids and logits of this realm", async () => {
    const model = await library.load(files, { wasm: await repositoryFile("dist/kvasm.wasm") });
    for (const ids of [Uint32Array.from(IDS), Int32Array.from(IDS), foreign.Uint32Array.from(IDS)]) {
      sameBits(Float32Array.from(model.sequence().prefill(ids)), expected);
    }
    const probabilities = model.distribution(expected, { logitBias: new Map([[3, 1]]) });
    assert.equal(probabilities.length, expected.length);
    const { signal } = new AbortController();
    let count = 0;
    for await (const { id } of model.generate(IDS, { signal, maxTokens: 3, ignoreEos: true })) count += id >= 0 ? 1 : 0;
    assert.equal(count, 3);
    model.dispose();
  });

  it("throws errors that `KvasmError.is` of this realm's copy knows", async () => {
    const { KvasmError } = await import("../../bindings/index.ts");
    const error = await errorOf(() => library.load(files, { threads: 1 } as object));
    assert.ok(!(error instanceof KvasmError));
    assert.ok(KvasmError.is(error) && error.code === "option");
  });
});

describe("a bundle without kvasm.wasm beside it", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvasm-bundle-"));
    const dist = fileURLToPath(repositoryUrl("dist/"));
    for (const name of await readdir(dist)) if (name.endsWith(".js")) await copyFile(join(dist, name), join(folder, name));
    // Without this, Node would not know that it is an ES module.
    await copyFile(fileURLToPath(repositoryUrl("package.json")), join(folder, "package.json"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("says where it looked, and finds the file when it is there later", async () => {
    const library: Library = await import(pathToFileURL(join(folder, "index.js")).href);
    const error = assertKvasmError(await errorOf(() => library.load(files)), "source", "wasm");
    assert.ok(error.message.includes(pathToFileURL(join(folder, "kvasm.wasm")).href), error.message);
    const embedded = assertKvasmError(await errorOf(() => library.load()), "unsupported", "source");
    assert.match(embedded.message, /models\/stories/);
    const model = await library.load(files, { wasm: await readFile(repositoryUrl("dist/kvasm.wasm")) });
    sameBits(model.sequence().prefill(IDS), expected);
    model.dispose();
    await copyFile(fileURLToPath(repositoryUrl("dist/kvasm.wasm")), join(folder, "kvasm.wasm"));
    const again = await library.load(files);
    sameBits(again.sequence().prefill(IDS), expected);
    again.dispose();
  });
});
