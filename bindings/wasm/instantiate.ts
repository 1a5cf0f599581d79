import { KvasmError, shown } from "../errors.ts";
import { lazily } from "../hosts/lazily.ts";
import { pageAddress } from "../hosts/page.ts";
import { checkHost, checkArithmetic } from "./engine.ts";
import { ABI_VERSION } from "./exports.ts";
import type { KvasmExports } from "./exports.ts";
import { ownModule } from "./own-module.ts";

/** A WebAssembly.Module, whose name is known only where the DOM's library is (or a later @types/node). */
export type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } } ? Module : object;

/** The module as a caller may hand it over; a promise of one is awaited (`wasm: fetch("/kvasm.wasm")`). */
export type WasmSource = WasmModule | Response | ArrayBuffer | Uint8Array;

/** The default module is compiled once; a failure is not kept. */
let ownCompiled: Promise<WebAssembly.Module> | undefined;

export interface Instance {
  readonly exports: KvasmExports;
  /** Compiled once for all its instances: whatever the engine's optimising compiler does to its code shows in each of them. */
  readonly module: WebAssembly.Module;
}

/** A new instance with a memory of its own. Nothing of it stays behind when the caller drops it. */
export async function instantiate(source: WasmSource | Promise<WasmSource> | undefined, signal?: AbortSignal): Promise<Instance> {
  checkHost();
  const module = source === undefined ? await compiledOwn() : await compiled(await source);
  signal?.throwIfAborted();
  return checkedInstance(module);
}

/** @param memory of an artifact for threads */
export async function checkedInstance(module: WebAssembly.Module, memory?: WebAssembly.Memory): Promise<Instance> {
  const exports = await exportsOf(module, memory);
  if (exports.ABI_VERSION?.value !== ABI_VERSION) {
    throw new KvasmError("value", `wasm: not the module of this version of kvasm (ABI ${shown(exports.ABI_VERSION?.value)}, expected ${ABI_VERSION}). Use the kvasm.wasm that came with these bindings.`, { argument: "wasm", value: module });
  }
  checkArithmetic(exports.checkEngine());
  return { exports, module };
}

async function exportsOf(module: WebAssembly.Module, memory?: WebAssembly.Memory): Promise<KvasmExports> {
  try {
    // The loader's other way looks at `Response` first, for which Node loads its fetch and compiles the parser of that. It tells modules by
    // instanceof, which fails for one of another realm; such a module needs no loader.
    const imports: WebAssembly.Imports = memory === undefined ? {} : { env: { memory } };
    const { instance } = module instanceof WebAssembly.Module && memory === undefined
      ? (await lazily(() => import("@assemblyscript/loader"))).instantiateSync(module)
      : { instance: (await WebAssembly.instantiate(module, imports)) as unknown as WebAssembly.Instance };
    return instance.exports as unknown as KvasmExports;
  } catch (cause) {
    if (KvasmError.is(cause)) throw cause;
    const outOfMemory = cause instanceof RangeError;
    throw new KvasmError(outOfMemory ? "memory" : "value", `wasm: the module cannot be instantiated (${String(cause)}). ${outOfMemory ? "Dispose models that are no longer used." : "Use the kvasm.wasm that came with these bindings."}`, { argument: "wasm", value: module, cause });
  }
}

/** Whoever asks first: the others wait for the same. */
function compiledOwn(): Promise<WebAssembly.Module> {
  ownCompiled ??= ownModule().then(compiled).catch((error) => {
    ownCompiled = undefined;
    throw error;
  });
  return ownCompiled;
}

/** Tells kinds by their tag, not by instanceof: values of other realms (frames, vm contexts, edge runtimes) count as well. */
export async function compiled(source: unknown): Promise<WebAssembly.Module> {
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
      throw new KvasmError("engine", `wasm: this host does not compile bytes (${String(cause)}). ${compileCure()}`, { argument: "wasm", cause });
    }
    throw new KvasmError("value", `wasm: ${bytes.byteLength} bytes that are no WebAssembly module for this host (${String(cause)}). Pass the bytes of kvasm.wasm; kvasm.relaxed.wasm needs relaxed SIMD.`, { argument: "wasm", value: bytes, cause });
  }
}

/** Pages forbid it by their content security policy; edge runtimes have modules compiled when they are deployed. */
function compileCure(): string {
  return pageAddress() === undefined
    ? 'Pass `wasm` as a WebAssembly.Module that the host has compiled: import wasm from "kvasm/kvasm.wasm".'
    : "Add 'wasm-unsafe-eval' to script-src of the page's Content-Security-Policy.";
}

function isValid(bytes: BufferSource): boolean {
  try {
    return WebAssembly.validate(bytes);
  } catch {
    return false; // bytes of a kind that this host does not take, such as shared ones
  }
}
