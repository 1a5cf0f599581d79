import { KvasmError, shown } from "../errors.ts";
import { gunzip, gunzipByNode } from "./gzip.ts";
import type { ModelBytes, ModelFiles, SourceOptions } from "./files.ts";
import { bytesFiles } from "./source-bytes.ts";
import { httpFiles } from "./source-http.ts";
import { isAbsent, pathFiles } from "./source-path.ts";

const FORMS = 'a path that begins with "./", "../", "/" or a drive letter, a file: or http(s): URL, the bytes of the files, or nothing for the model that ships with kvasm';
const PATH = /^(\.{1,2}([\\/]|$)|\/|[A-Za-z]:[\\/])/;
const HUB_ID = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?$/;

/**
 * Where a model's files are. Nothing but a path's folder is looked at yet.
 * - undefined: the model that ships with the package
 * - what begins with ./ ../ / a drive letter or file: is a path, of the folder, of the .safetensors file in it or of a .gguf file
 * - an http(s) URL, of the folder, of the .safetensors file in it or of a .gguf file
 * - the bytes themselves
 * - any other string is the id of a model on a hub, which this version does not load
 * @throws KvasmError `type`, `value`, `unsupported`, `source`
 */
export async function resolveSource(source: string | URL | ModelBytes | undefined, options: SourceOptions = {}): Promise<ModelFiles> {
  options.signal?.throwIfAborted();
  if (source === undefined) return embeddedFiles(options);
  if (typeof source === "string") {
    if (PATH.test(source)) return withGzip(await pathFiles(source), gunzipByNode);
    if (/^(file|https?):/i.test(source)) return fromUrl(parseUrl(source), source, options);
    return notHere(source);
  }
  if (isUrl(source)) return fromUrl(parseUrl(source.href), source, options);
  return withGzip(bytesFiles(source), gunzip);
}

async function fromUrl(url: URL, source: string | URL, options: SourceOptions): Promise<ModelFiles> {
  if (url.protocol === "file:") return withGzip(await pathFiles(url), gunzipByNode);
  if (url.protocol === "http:" || url.protocol === "https:") return withGzip(httpFiles(url, options), gunzip);
  throw new KvasmError("unsupported", `source: expected a file:, http: or https: URL, got ${shown(String(source))}. Fetch the files yourself and pass their bytes.`, { argument: "source", value: source });
}

function notHere(source: string): never {
  const value = { argument: "source", value: source };
  if (HUB_ID.test(source)) {
    throw new KvasmError("unsupported", `source: ${shown(source)} is the id of a model on a hub; loading from there comes in a later version. Pass the URL of its files ("https://huggingface.co/${source}/resolve/main/"), or for a folder of this name ${shown("./" + source)}.`, value);
  }
  const tilde = source.startsWith("~") ? ' "~" is expanded by shells only.' : "";
  throw new KvasmError("value", `source: expected ${FORMS}; got ${shown(source)}.${tilde}`, value);
}

/** By shape, since instanceof fails between realms. */
function isUrl(source: unknown): source is URL {
  return typeof source === "object" && source !== null && typeof (source as URL).href === "string" && typeof (source as URL).protocol === "string";
}

function parseUrl(source: string): URL {
  try {
    return new URL(source);
  } catch (cause) {
    throw new KvasmError("value", `source: ${shown(source)} is no URL.`, { argument: "source", value: source, cause });
  }
}

/** In the folder models/stories of the package, seen from dist/. */
async function embeddedFiles(options: SourceOptions): Promise<ModelFiles> {
  // Not written as one expression with the URL below: bundlers would take the file for an asset to copy.
  const here: string | undefined = import.meta.url;
  const refuse = (why: string, cause?: unknown): never => {
    throw new KvasmError("unsupported", `source: the model that ships with kvasm cannot be found from here (${why}). Pass its files: load({ "config.json": …, "model.safetensors": … }), or a URL or path of a copy of models/stories.`, { argument: "source", cause });
  };
  if (typeof here !== "string" || !/^(file|https?):/.test(here)) return refuse(here === undefined ? "this runtime gives modules no URL" : `this module is at ${shown(here)}`);
  const weights = new URL("../models/stories/model.safetensors.gz", here);
  let files: ModelFiles;
  try {
    files = await fromUrl(weights, weights, options);
  } catch (cause) {
    if (KvasmError.is(cause) && isAbsent(cause.cause)) return refuse(cause.message.replace(/\.$/, ""), cause);
    throw cause;
  }
  const names = ["config.json", "model.safetensors"]; // it uses GPT-2's own vocabulary: do not look for another
  return { description: `the embedded model (${files.description})`, open: async (name) => names.includes(name) ? files.open(name) : null, whyAbsent: files.whyAbsent };
}

/** Weights may lie compressed beside, or instead of, the plain file. */
function withGzip(files: ModelFiles, decompress: (packed: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>): ModelFiles {
  return {
    ...files,
    async open(name) {
      const plain = await files.open(name);
      if (plain !== null || !name.endsWith(".safetensors")) return plain;
      const packed = await files.open(name + ".gz");
      return packed && { stream: await decompress(packed.stream), size: undefined };
    },
  };
}
