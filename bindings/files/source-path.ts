import type { FileHandle } from "node:fs/promises";
import { KvasmError, shown } from "../errors.ts";
import type { Absence, ModelFiles, OpenFile } from "./files.ts";
import { shardsOf } from "./files.ts";
import { WEIGHTS_FILE, isOtherForm, standardName } from "./named-weights.ts";

type FileSystem = typeof import("node:fs/promises");

/** Bytes of one read. */
const CHUNK = 1 << 20;

/** The files of a folder, given by its path or by that of a file of weights in it; or a GGUF file by its path. */
export async function pathFiles(path: string | URL): Promise<ModelFiles> {
  const fs = await fileSystem(path);
  const text = typeof path === "string" ? path : path.href;
  const named = WEIGHTS_FILE.exec(text);
  const gguf = /[^\\/]+\.gguf$/i.exec(text);
  const single = named ?? gguf;
  const folder = single ? text.slice(0, single.index) : text.replace(/([^\\/])[\\/]*$/, "$1/");
  const place = (name: string): string | URL => typeof path === "string" ? folder + name : new URL(name, folder);

  const stats = await fs.stat(path).catch((cause: unknown) => {
    if (!isAbsent(cause)) fail(path, "cannot be read", cause);
    throw new KvasmError("source", `${shown(text)}: no such ${single ? "file" : "folder"}. A model's folder holds config.json and model.safetensors (or model.safetensors.gz).`, { argument: "source", value: text, cause });
  });
  if (!single && !stats.isDirectory()) {
    throw new KvasmError("source", `${shown(text)} is not a folder. Pass the folder of config.json and model.safetensors, or the .safetensors, .bin or .gguf file itself.`, { argument: "source", value: text });
  }
  return {
    description: shown(text),
    gguf: gguf?.[0],
    weightsFile: named?.[0],
    whyAbsent: async (name) => single || !["config.json", "model.safetensors"].includes(name) ? undefined : meantInstead(fs, name, path, text),
    async open(name): Promise<OpenFile | null> {
      if (named !== null && isOtherForm(name, named[0])) return null;
      const file = named && name === standardName(named[0]) ? path : place(name);
      return openPath(file);
    },
  };
}

/** Files of the folder that could be meant instead. */
async function meantInstead(fs: FileSystem, name: string, path: string | URL, text: string): Promise<Absence | undefined> {
  const names: string[] = await fs.readdir(path).catch(() => []);
  const isWhole = (one: string): boolean => /\.gguf$/i.test(one) || (name !== "config.json" && /\.safetensors(\.gz)?$/.test(one) && shardsOf(one) === 1);
  const found = names.filter(isWhole).sort((a, b) => Number(/\.gguf$/i.test(b)) - Number(/\.gguf$/i.test(a)) || (a < b ? -1 : 1));
  if (found.length === 0) return undefined;
  const all = found.slice(0, 4).join(", ") + (found.length > 4 ? ", …" : "");
  const folder = text.replace(/[\\/]*$/, "/");
  return { why: `The folder has ${all}. To load it, pass its own path, ${JSON.stringify(typeof path === "string" ? folder + found[0] : new URL(encodeURIComponent(found[0]), folder).href)}.` };
}

/** One file; null if there is none. */
export async function openPath(file: string | URL): Promise<OpenFile | null> {
  const fs = await fileSystem(file);
  let handle: FileHandle;
  try {
    handle = await fs.open(file, "r");
  } catch (cause) {
    return isAbsent(cause) ? null : fail(file, "cannot be opened", cause);
  }
  try {
    const { size, isFile, isDirectory } = await kindOf(handle);
    if (isDirectory) fail(file, "is a folder", undefined);
    return { stream: fileStream(handle, file, size), size: isFile ? size : undefined };
  } catch (cause) {
    await handle.close().catch(() => {});
    return fail(file, "cannot be read", cause);
  }
}

async function kindOf(handle: FileHandle): Promise<{ size: number; isFile: boolean; isDirectory: boolean }> {
  const stats = await handle.stat();
  return { size: stats.size, isFile: stats.isFile(), isDirectory: stats.isDirectory() };
}

/**
 * The file from its beginning. Two buffers take turns, so that one is being filled while the other is being worked on: a chunk is
 * valid until the next one is asked for.
 */
function fileStream(handle: FileHandle, file: string | URL, size: number): ReadableStream<Uint8Array> {
  const length = Math.min(CHUNK, Math.max(size, 4096));
  let current = new Uint8Array(length);
  let other: Uint8Array<ArrayBuffer> | undefined;
  let read: ReturnType<typeof start> | undefined;
  const start = (buffer: Uint8Array<ArrayBuffer>) => {
    const result = handle.read(buffer, 0, length, null);
    result.catch(() => {}); // it is looked at when it is asked for
    return result;
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { bytesRead } = await (read ??= start(current));
        if (bytesRead === 0) {
          await handle.close();
          controller.close();
          return;
        }
        const full = current;
        current = other ??= new Uint8Array(length);
        other = full;
        read = start(current);
        controller.enqueue(full.subarray(0, bytesRead));
      } catch (cause) {
        await handle.close().catch(() => {});
        fail(file, "cannot be read", cause);
      }
    },
    async cancel() {
      await read?.catch(() => {});
      await handle.close().catch(() => {});
    },
  }, { highWaterMark: 0 });
}

async function fileSystem(path: string | URL): Promise<FileSystem> {
  try {
    return await import("node:fs/promises");
  } catch (cause) {
    throw new KvasmError("unsupported", `source: ${shown(String(path))} is a path, and this runtime has no files. Pass an http(s) URL or the files' bytes.`, { argument: "source", value: path, cause });
  }
}

export function isAbsent(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ENOENT" || code === "ENOTDIR";
}

function fail(file: string | URL, what: string, cause: unknown): never {
  if (KvasmError.is(cause)) throw cause;
  const reason = cause instanceof Error ? ` (${cause.message})` : "";
  throw new KvasmError("source", `${shown(String(file))}: ${what}${reason}.`, { argument: "source", value: String(file), cause });
}
