/** The file system, with errors that say what to do. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, statfs, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { KvasmError, shown } from "../../errors.ts";
import { isAbsent } from "../../files/source-path.ts";

/** What `work` gives; undefined if the file is not there. */
export async function ifThere<T>(path: string, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    return isAbsent(cause) ? undefined : failed(path, cause);
  }
}

/** What `work` gives, with its failures as KvasmErrors. @param needed bytes that it writes */
export async function onDisk<T>(path: string, work: Promise<T>, needed?: number): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    return failed(path, cause, needed);
  }
}

async function failed(path: string, cause: unknown, needed?: number): Promise<never> {
  if (KvasmError.is(cause)) throw cause;
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOSPC" || code === "EDQUOT") throw noSpace(path, needed, await freeBytes(dirname(path)), cause);
  const cure = code === "EACCES" || code === "EPERM" || code === "EROFS" ? " Pass a folder that may be written to as cacheDir, or set HF_HUB_CACHE." : "";
  throw new KvasmError("source", `cacheDir: ${shown(path)}: ${cause instanceof Error ? cause.message : String(cause)}.${cure}`, { argument: "cacheDir", value: path, cause });
}

export function noSpace(path: string, needed: number | undefined, free: number | undefined, cause?: unknown): KvasmError {
  const figures = `${needed === undefined ? "" : `; ${needed} bytes are needed`}${free === undefined ? "" : `, ${free} are free`}`;
  return new KvasmError("space", `cacheDir: no space at ${JSON.stringify(path)}${figures}. Free some (kvasm models prune), or pass another folder as cacheDir. What was downloaded stays.`, { argument: "cacheDir", value: needed, cause });
}

/** Bytes that this user may still write; undefined where the system does not say. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

export async function readText(path: string): Promise<string | undefined> {
  return ifThere(path, readFile(path, "utf8"));
}

/** A name beside `path` that nobody else has. */
export function beside(path: string): string {
  return `${path}.${randomUUID().slice(0, 8)}.tmp`;
}

/** Makes a file whole in one step: `make` is given another name, which then becomes this one. */
export async function replace(path: string, make: (path: string) => Promise<unknown>): Promise<void> {
  await onDisk(path, (async () => {
    await mkdir(dirname(path), { recursive: true });
    const temporary = beside(path);
    try {
      await make(temporary);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  })());
}

export async function writeText(path: string, text: string): Promise<void> {
  await replace(path, (temporary) => writeFile(temporary, text));
}
