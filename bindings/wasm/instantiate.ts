import { instantiate as instantiateHere } from "@assemblyscript/loader";
import { KvasmError, shown } from "../errors.ts";
import { checkHost, checkArithmetic } from "./engine.ts";
import type { KvasmExports } from "./exports.ts";
import { hasFastDot } from "./relaxed.ts";

/** The module as a caller may hand it over; a promise of one is awaited (`wasm: fetch("/kvasm.wasm")`). */
export type WasmSource = WebAssembly.Module | Response | ArrayBuffer | Uint8Array;

/** The interface that these bindings were written for: the module's ABI_VERSION. */
const ABI_VERSION = 3;

/** The default module is compiled once; a failure is not kept. */
let ownModule: Promise<WebAssembly.Module> | undefined;

/** A new instance with a memory of its own. Nothing of it stays behind when the caller drops it. */
export async function instantiate(source: WasmSource | Promise<WasmSource> | undefined, signal?: AbortSignal): Promise<KvasmExports> {
  checkHost();
  const module = source === undefined ? await compileOwn() : await compiled(await source);
  signal?.throwIfAborted();
  const exports = await exportsOf(module);
  if (exports.ABI_VERSION?.value !== ABI_VERSION) {
    throw new KvasmError("value", `wasm: not the module of this version of kvasm (ABI ${shown(exports.ABI_VERSION?.value)}, expected ${ABI_VERSION}). Use the kvasm.wasm that came with these bindings.`, { argument: "wasm", value: source });
  }
  checkArithmetic(exports.checkEngine());
  return exports;
}

async function exportsOf(module: WebAssembly.Module): Promise<KvasmExports> {
  try {
    // The loader tells modules by instanceof, which fails for one of another realm; such a module needs no loader.
    const { instance } = module instanceof WebAssembly.Module
      ? await instantiateHere(module)
      : { instance: (await WebAssembly.instantiate(module, {})) as unknown as WebAssembly.Instance };
    return instance.exports as unknown as KvasmExports;
  } catch (cause) {
    const outOfMemory = cause instanceof RangeError;
    throw new KvasmError(outOfMemory ? "memory" : "value", `wasm: the module cannot be instantiated (${String(cause)}). ${outOfMemory ? "Dispose models that are no longer used." : "Use the kvasm.wasm that came with these bindings."}`, { argument: "wasm", value: module, cause });
  }
}

function compileOwn(): Promise<WebAssembly.Module> {
  ownModule ??= readFitting().then(compileBytes).catch((error) => {
    ownModule = undefined;
    throw error;
  });
  return ownModule;
}

/** kvasm.relaxed.wasm where it is the faster one, else (or where only kvasm.wasm was deployed) kvasm.wasm: the bits are the same. */
async function readFitting(): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>> {
  if (hasFastDot()) {
    try {
      const bytes = await readOwn("kvasm.relaxed.wasm");
      // Many servers answer an address that they do not have with a page.
      if (isModule(new Uint8Array(bytes))) return bytes;
    } catch (error) {
      if (!KvasmError.is(error) || error.code !== "source") throw error;
    }
  }
  return readOwn("kvasm.wasm");
}

/** Begins as a module does: "\\0asm". */
const isModule = (bytes: Uint8Array): boolean => [0, 97, 115, 109].every((byte, i) => bytes[i] === byte);

/** Tells kinds by their tag, not by instanceof: values of other realms (frames, vm contexts, edge runtimes) count as well. */
async function compiled(source: unknown): Promise<WebAssembly.Module> {
  const tag = Object.prototype.toString.call(source);
  if (tag === "[object WebAssembly.Module]") return source as WebAssembly.Module;
  if (tag === "[object Response]") return compileBytes(await bytesOf(source as Response));
  if (tag === "[object ArrayBuffer]" || tag === "[object Uint8Array]") return compileBytes(source as Uint8Array<ArrayBuffer>);
  throw new KvasmError("type", `wasm: expected a WebAssembly.Module, a Response, an ArrayBuffer or a Uint8Array, got ${shown(source)}.`, { argument: "wasm", value: source });
}

/** Takes the bytes and not the stream: compileStreaming insists on a MIME type that many servers do not send. */
async function bytesOf(response: Response): Promise<ArrayBuffer> {
  if (!response.ok) {
    throw new KvasmError("source", `wasm: ${response.url || "the response"} answered ${response.status} ${response.statusText}. Check the address.`, { argument: "wasm", value: response.status });
  }
  try {
    return await response.arrayBuffer();
  } catch (cause) {
    throw new KvasmError("source", `wasm: the response cannot be read (${String(cause)}). Pass a response that nobody has read yet.`, { argument: "wasm", value: response, cause });
  }
}

async function compileBytes(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    if (isValid(bytes)) {
      throw new KvasmError("engine", `wasm: this host does not compile bytes (${String(cause)}). Pass \`wasm\` as a WebAssembly.Module that the host has compiled (import it).`, { argument: "wasm", cause });
    }
    throw new KvasmError("value", `wasm: ${bytes.byteLength} bytes that are no WebAssembly module for this host (${String(cause)}). Pass the bytes of kvasm.wasm; kvasm.relaxed.wasm needs relaxed SIMD.`, { argument: "wasm", value: bytes, cause });
  }
}

function isValid(bytes: BufferSource): boolean {
  try {
    return WebAssembly.validate(bytes);
  } catch {
    return false; // bytes of a kind that this host does not take, such as shared ones
  }
}

/** The bytes of a module beside the file that this code was bundled into. */
async function readOwn(name: "kvasm.wasm" | "kvasm.relaxed.wasm"): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>> {
  // Where code is bundled into one script, or the host is an edge runtime, import.meta.url may be absent or no address.
  const here: string | undefined = import.meta.url;
  let url: URL;
  try {
    url = new URL(`./${name}`, here);
  } catch (cause) {
    throw new KvasmError("engine", `wasm: this host does not say where the bundle lies (import.meta.url is ${shown(here)}), so kvasm.wasm cannot be found. Pass \`wasm\`: a WebAssembly.Module, its bytes or a Response.`, { argument: "wasm", cause });
  }
  try {
    if (url.protocol === "file:") {
      const { readFile } = await import(/* webpackIgnore: true */ /* @vite-ignore */ "node:fs/promises");
      return (await readFile(url)) as Uint8Array<ArrayBuffer>;
    }
    return await bytesOf(await fetch(url));
  } catch (cause) {
    if (KvasmError.is(cause)) throw cause;
    throw new KvasmError("source", `wasm: ${url.href} cannot be read (${String(cause)}). Put kvasm.wasm beside the bundle, or pass \`wasm\`: a WebAssembly.Module, its bytes or a Response.`, { argument: "wasm", value: url.href, cause });
  }
}
