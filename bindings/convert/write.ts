import type { FileHandle } from "node:fs/promises";
import { KvasmError, checkBoolean, checkOptions, shown } from "../errors.ts";
import type { ModelBytes } from "../files/files.ts";
import { FILES_KEYS, convertFiles } from "./convert.ts";
import type { ConvertFilesOptions } from "./convert.ts";

export interface ConvertOptions extends ConvertFilesOptions {
  /** Replace files that are there. Default false. */
  force?: boolean | undefined;
  /** Called while files are written: bytes so far, bytes of the file if known, its name. */
  onWrite?: ((progress: { readonly written: number; readonly size: number | undefined; readonly file: string }) => void) | undefined;
}

export interface Converted {
  /** The files written, in the order of writing. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** What of the model the files do not hold as it is; sentences. */
  readonly notes: readonly string[];
}

/**
 * Writes a model's files with its weights as another type into the folder `out`, or the GGUF file `out` if its name ends in .gguf;
 * `load` takes either. Each file is written
 * beside its place and renamed when all are complete; after an error or an abort nothing new is there.
 * @param out a path; folders are made if there are none
 * @throws KvasmError as convertFiles; `value` if a file is there already and `force` is not set; `source` if one cannot be written;
 * `unsupported` where there are no files
 */
export async function convert(source: string | URL | ModelBytes | undefined, out: string | URL, options: ConvertOptions): Promise<Converted> {
  const { force, onWrite, ...rest } = checkOptions<ConvertOptions>("convert options", options, [...FILES_KEYS, "force", "onWrite"]);
  const isForced = force !== undefined && checkBoolean("force", force);
  const { fs, path, target } = await place(out);
  const isFile = /\.gguf$/i.test(target);
  if (isFile && (rest.format ?? "gguf") !== "gguf") {
    throw new KvasmError("value", `out: ${shown(target)} is the name of a GGUF file, and format is ${shown(rest.format)}. Pass the path of a folder.`, { argument: "out", value: out });
  }
  const format = isFile ? "gguf" : rest.format;
  const folder = isFile ? path.dirname(target) : target;
  const pathOf = (name: string): string => isFile ? target : path.join(folder, name);
  const refuse = async (name: string): Promise<void> => {
    if (isForced || !(await exists(fs, pathOf(name)))) return;
    throw new KvasmError("value", `out: ${shown(pathOf(name))} is there already. Choose another place, or set force to replace it.`, { argument: "out", value: pathOf(name) });
  };
  // The names that are known before anything is read: an hour's work should not end in a refusal.
  for (const name of format === "gguf" ? ["model.gguf"] : ["model.safetensors", "model.safetensors.index.json", "config.json"]) await refuse(name);

  const made = await fs.mkdir(folder, { recursive: true }).catch((cause: unknown) => fail(folder, "cannot be made", cause));
  const notes: string[] = [];
  const written: { temporary: string; path: string; bytes: number }[] = [];
  try {
    for await (const file of convertFiles(source, { ...rest, format })) {
      await refuse(file.name);
      notes.push(...(file.notes ?? []));
      const temporary = `${pathOf(file.name)}.${process.pid}.tmp`;
      written.push({ temporary, path: pathOf(file.name), bytes: 0 });
      written[written.length - 1].bytes = await writeFile(fs, temporary, file.data(), (bytes) => onWrite?.({ written: bytes, size: file.size, file: file.name }));
    }
    // A loader looks at config.json and the weights: those come into place last.
    for (const { temporary, path: file } of [...written].reverse()) {
      await fs.rename(temporary, file).catch((cause: unknown) => fail(file, "cannot be written", cause));
    }
  } catch (error) {
    for (const { temporary } of written) await fs.rm(temporary, { force: true }).catch(() => {});
    if (made !== undefined) await removeEmpty(fs, path, folder, made);
    throw error;
  }
  return { files: written.map(({ path: file, bytes }) => ({ path: file, bytes })), notes };
}

type FileSystem = typeof import("node:fs/promises");
type Paths = typeof import("node:path");

async function place(out: string | URL): Promise<{ fs: FileSystem; path: Paths; target: string }> {
  if (typeof out !== "string" && !(typeof out === "object" && out !== null && typeof out.href === "string")) {
    throw new KvasmError("type", `out: expected the path of a folder or a .gguf file, got ${shown(out)}.`, { argument: "out", value: out });
  }
  if (out === "") throw new KvasmError("value", 'out: expected the path of a folder, got "".', { argument: "out", value: out });
  try {
    const [fs, path, url] = await Promise.all([import("node:fs/promises"), import("node:path"), import("node:url")]);
    return { fs, path, target: path.resolve(typeof out === "string" && !/^file:/i.test(out) ? out : url.fileURLToPath(out)) };
  } catch (cause) {
    throw new KvasmError("unsupported", `out: ${shown(String(out))}: it is not a path, or this runtime has no files. Use convertFiles and write the files where you want them.`, { argument: "out", value: out, cause });
  }
}

async function exists(fs: FileSystem, file: string): Promise<boolean> {
  return fs.lstat(file).then(() => true, () => false);
}

async function writeFile(fs: FileSystem, file: string, data: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, tell: (bytes: number) => void): Promise<number> {
  let handle: FileHandle;
  try {
    handle = await fs.open(file, "wx");
  } catch (cause) {
    return fail(file, "cannot be written", cause);
  }
  let bytes = 0;
  try {
    for await (const piece of data) {
      for (let from = 0; from < piece.length;) {
        const { bytesWritten } = await handle.write(piece, from).catch((cause: unknown) => fail(file, "cannot be written", cause));
        from += bytesWritten;
      }
      bytes += piece.length;
      tell(bytes);
    }
  } finally {
    await handle.close();
  }
  return bytes;
}

/** The folders that were made for the result. @param first the outermost of them */
async function removeEmpty(fs: FileSystem, path: Paths, folder: string, first: string): Promise<void> {
  for (let at = folder; ; at = path.dirname(at)) {
    await fs.rmdir(at).catch(() => {});
    if (at === path.resolve(first) || at === path.dirname(at)) return;
  }
}

function fail(file: string, what: string, cause: unknown): never {
  if (KvasmError.is(cause)) throw cause;
  throw new KvasmError("source", `out: ${shown(file)}: ${what} (${cause instanceof Error ? cause.message : String(cause)}).`, { argument: "out", value: file, cause });
}
