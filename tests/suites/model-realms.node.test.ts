/** Hosts of other kinds, made in this Node: another realm without import.meta.url, and one that compiles nothing from bytes. */
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
      platform: "neutral", mainFields: ["module", "main"], external: ["node:*", "@huggingface/hub", "@noble/hashes/*"], logLevel: "silent", target: "es2022", loader: { ".wasm": "binary" },
    });
    // A realm has its own WebAssembly, Uint8Array and so on; what a host adds to that comes from ours.
    const host = { TextDecoder, TextEncoder, URL, ReadableStream, Blob, Response, AbortController, AbortSignal, performance, crypto, setTimeout, clearTimeout, setImmediate };
    const context = createContext({ ...host });
    runInContext(outputFiles[0].text, context);
    library = runInContext("kvasm", context);
    foreign = runInContext("({ WebAssembly, Uint8Array, Uint32Array })", context);
  });

  it("needs no file and no address for its module", async () => {
    const model = await library.load(files);
    sameBits(Float32Array.from(model.sequence().prefill(IDS)), expected);
    model.dispose();
  });

  it("finds no model of the package, and says what to do", async () => {
    const error = assertKvasmError(await errorOf(() => library.load()), "unsupported", "source");
    assert.match(error.message, /load\(\{/);
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
    const error = await errorOf(() => library.load(files, { thread: 1 } as object));
    assert.ok(!(error instanceof KvasmError));
    assert.ok(KvasmError.is(error) && error.code === "option");
  });
});

describe("a host that compiles nothing from bytes", () => {
  const failing = { compile: () => Promise.reject(new WebAssembly.CompileError("Wasm code generation disallowed by embedder")), Module: class { constructor() { throw new WebAssembly.CompileError("disallowed"); } } };
  const own = { compile: WebAssembly.compile, Module: WebAssembly.Module };
  after(() => void Object.assign(WebAssembly, own));

  it("is told what to pass, and what to allow where it is a page", async () => {
    const { load } = await import(`${pathToFileURL(fileURLToPath(repositoryUrl("dist/static.js"))).href}?bytes`) as Library;
    Object.assign(WebAssembly, failing);
    const outside = assertKvasmError(await errorOf(() => load(files)), "engine", "wasm");
    assert.match(outside.message, /import wasm from "kvasm\/kvasm\.wasm"/);
    const process = Object.getOwnPropertyDescriptor(globalThis, "process")!;
    Object.defineProperty(globalThis, "process", { value: undefined, configurable: true });
    Object.assign(globalThis, { location: { href: "https://host/page" } });
    try {
      const page = assertKvasmError(await errorOf(() => load(files)), "engine", "wasm");
      assert.match(page.message, /'wasm-unsafe-eval'/);
      assert.match(page.message, /Content-Security-Policy/);
    } finally {
      Object.defineProperty(globalThis, "process", process);
      Reflect.deleteProperty(globalThis, "location");
      Object.assign(WebAssembly, own);
    }
    const model = await load(files);
    sameBits(model.sequence().prefill(IDS), expected);
    model.dispose();
  });
});
