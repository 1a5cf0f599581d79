import { KvasmError, shown } from "../errors.ts";
import { isBytes } from "./bytes.ts";
import type { Absence, ModelBytes, ModelFiles, OpenFile, SourceOptions } from "./files.ts";
import { openFileUrl } from "./paths.ts";
import { isUrl, parseUrl } from "./source-address.ts";
import { openHttp } from "./source-http.ts";

/** Bytes handed over at once: small enough for progress and abort, large enough not to matter. */
const CHUNK = 1 << 20;
/** Bytes after which the event loop gets a turn: a page stays alive, a signal can arrive. */
const TURN = 16 << 20;

/** The weights that kvasm/stories names, in the package. */
const STORIES = "/models/stories/model.safetensors.gz";

/** Files that the caller has already or knows the addresses of, checked before anything is read. */
export function bytesFiles(given: ModelBytes, options: SourceOptions): ModelFiles {
  const source: unknown = given;
  if (typeof source !== "object" || source === null || Array.isArray(source) || ArrayBuffer.isView(source) || isArrayBuffer(source) || isBlob(source) || isStream(source)) {
    throw new KvasmError("type", `source: expected a path, a URL or an object of files ({ "config.json": …, "model.safetensors": … }), got ${shown(source)}.`, { argument: "source", value: source });
  }
  const files = new Map<string, unknown>(Object.entries(source));
  for (const [name, value] of files) {
    if (isBytes(value) || isArrayBuffer(value) || isBlob(value) || isStream(value) || isUrl(value)) continue;
    throw new KvasmError("type", `source: ${shown(name)}: expected a Blob, a ReadableStream, an ArrayBuffer, a Uint8Array or a URL, got ${shown(value)}.`, { argument: name, value });
  }
  const ggufs = [...files.keys()].filter((name) => /\.gguf$/i.test(name));
  if (ggufs.length > 1) {
    throw new KvasmError("value", `source: ${shown(ggufs[1])}: expected one GGUF file, got ${ggufs.length}. Pass one of them.`, { argument: ggufs[1], value: ggufs.length });
  }
  const absences = new Map<string, Absence>();
  return {
    description: "the bytes given",
    gguf: ggufs[0],
    whyAbsent: (name) => absences.get(name) ?? absences.get(`${name}.gz`) ?? { why: namesOf(files) },
    async open(name) {
      const value = files.get(name);
      if (value === undefined) return null;
      return isUrl(value) ? openUrl(name, parseUrl(value.href), options, absences) : openBytes(name, value);
    },
  };
}

function namesOf(files: ReadonlyMap<string, unknown>): string {
  return files.size === 0 ? "No files were given." : `Given are ${[...files.keys()].slice(0, 8).map(shown).join(", ")}${files.size > 8 ? ", …" : ""}.`;
}

async function openUrl(name: string, url: URL, options: SourceOptions, absences: Map<string, Absence>): Promise<OpenFile | null> {
  if (url.protocol === "http:" || url.protocol === "https:") {
    const file = await openHttp(name, url, options, absences);
    // Some bundlers move the code that names an address and not the file that lies there.
    if (file === null && url.pathname.endsWith(STORIES)) {
      const absence = absences.get(name);
      absences.set(name, { ...absence, why: `${absence?.why ?? ""} Copy node_modules/kvasm${STORIES} there; with Vite 7's development server, set optimizeDeps: { exclude: ["kvasm"] }.` });
    }
    return file;
  }
  if (url.protocol !== "file:") {
    throw new KvasmError("unsupported", `source: ${shown(name)}: expected a file:, http: or https: URL, got ${shown(url.href)}. Fetch it yourself and pass its bytes.`, { argument: name, value: url });
  }
  const file = await openFileUrl(url);
  if (file === null) absences.set(name, { why: `There is no ${url.href}.` });
  return file;
}

function openBytes(name: string, value: unknown): OpenFile {
  if (isBytes(value)) return { stream: memoryStream(value), size: value.byteLength };
  if (isArrayBuffer(value)) return { stream: memoryStream(new Uint8Array(value)), size: value.byteLength };
  if (isBlob(value)) return { stream: value.stream(), size: value.size };
  const stream = value as ReadableStream<Uint8Array>;
  if (stream.locked) {
    throw new KvasmError("source", `source: ${shown(name)}: the stream is in use, or was read before. A stream serves one load; pass a new one.`, { argument: name, value });
  }
  return { stream, size: undefined };
}

function memoryStream(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at >= bytes.length) return controller.close();
      if (at > 0 && at % TURN === 0) await new Promise((resolve) => setTimeout(resolve));
      controller.enqueue(bytes.subarray(at, at += CHUNK));
    },
  }, { highWaterMark: 0 });
}

// By shape rather than instanceof, which fails between realms.
function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === "[object ArrayBuffer]";
}
function isBlob(value: unknown): value is Blob {
  return typeof value === "object" && value !== null && typeof (value as Blob).stream === "function" && typeof (value as Blob).size === "number";
}
function isStream(value: unknown): value is ReadableStream<Uint8Array> {
  return typeof value === "object" && value !== null && typeof (value as ReadableStream).getReader === "function";
}
