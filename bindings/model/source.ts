import type { Weights } from "../wasm/types.ts";
import { KvasmError, shown } from "../errors.ts";
import { lazily } from "../hosts/lazily.ts";
import { embeddedModel } from "../files/embedded.ts";
import type { ModelBytes, ModelFiles, SourceOptions } from "../files/files.ts";
import { gunzip } from "../files/gzip.ts";
import { decompressorOf, fromPath } from "../files/paths.ts";
import { PATH, isUrl, parseUrl } from "../files/source-address.ts";
import { bytesFiles } from "../files/source-bytes.ts";
import { httpFiles } from "../files/source-http.ts";
import { withGzip } from "../files/with-gzip.ts";
import type { HubOptions } from "../hub/settings.ts";
import type { Progress } from "../weights/types.ts";

export interface ModelSourceOptions extends SourceOptions {
  /** Of a model from a hub. */
  readonly hub?: HubOptions | undefined;
  /** While a model comes from a hub. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** With keep: "converted", which copy. */
  readonly weights?: Weights | undefined;
}

const WEIGHTS = "model.safetensors.gz";

/**
 * Where a model's files are. Nothing but a path's folder is looked at yet.
 * - undefined: the model that ships with the package
 * - what begins with ./ ../ / a drive letter or file: is a path, of the folder, of the .safetensors file in it or of a .gguf file; in a
 *   page, an address relative to it
 * - an http(s) URL, of the folder, of the .safetensors file in it or of a .gguf file
 * - the files themselves by name: bytes, or the URL of each
 * - any other string is the name of a model on a hub ("owner/name"), or of a .gguf file of one ("owner/name/file.gguf"): it is downloaded,
 *   unless the cache has it
 * @throws KvasmError `type`, `value`, `option`, `unsupported`, `source`; from a hub also `access`, `absent`, `rate-limit`, `offline`, `space`
 */
export async function resolveSource(source: string | URL | ModelBytes | undefined, options: ModelSourceOptions = {}): Promise<ModelFiles> {
  options.signal?.throwIfAborted();
  if (typeof source === "string" && !PATH.test(source) && !/^(file|https?):/i.test(source)) return fromHub(source, options);
  const [unused] = Object.entries(options.hub ?? {}).find(([, value]) => value !== undefined) ?? [];
  if (unused !== undefined) throw new KvasmError("option", `${unused}: applies only to models of a hub ("owner/name"), and this source is not one. Leave it out.`, { argument: unused });
  if (source === undefined) return embeddedFiles(options);
  if (typeof source === "string") {
    if (PATH.test(source)) return fromPath(source, options);
    return fromUrl(parseUrl(source), source, options);
  }
  if (isUrl(source)) return fromUrl(parseUrl(source.href), source, options);
  return withGzip(bytesFiles(source, options), gunzip);
}

async function fromUrl(url: URL, source: string | URL, options: SourceOptions): Promise<ModelFiles> {
  if (url.protocol === "file:") return fromPath(url, options);
  if (url.protocol === "http:" || url.protocol === "https:") return withGzip(httpFiles(url, options), gunzip);
  throw new KvasmError("unsupported", `source: expected a file:, http: or https: URL, got ${shown(String(source))}. Fetch the files yourself and pass their bytes.`, { argument: "source", value: source });
}

async function fromHub(source: string, { hub, ...rest }: ModelSourceOptions): Promise<ModelFiles> {
  const { hubFiles } = await lazily(() => import("../hub/hub-files.ts"));
  return withGzip(await hubFiles(source, { ...hub, ...rest }), gunzip);
}

async function embeddedFiles(options: SourceOptions): Promise<ModelFiles> {
  const model = await embeddedModel();
  const files = bytesFiles(model, options);
  return withGzip({
    ...files,
    description: "the model that ships with kvasm",
    whyAbsent: async (name) => ({
      why: `${(await files.whyAbsent?.(name))?.why ?? ""} Where kvasm was bundled, name the model so that its file is copied: import stories from "kvasm/stories"; load(stories). In Next.js, or leave kvasm outside: serverExternalPackages: ["kvasm"].`,
    }),
  }, decompressorOf(model[WEIGHTS] as URL));
}
