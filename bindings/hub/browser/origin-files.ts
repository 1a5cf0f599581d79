/** The origin's private files (OPFS). */
import { PLACE } from "./shelf.ts";
import type { Item, Shelf, Value } from "./shelf.ts";

type Folder = FileSystemDirectoryHandle;

/** In workers of some browsers files are written in place only. */
interface SyncHandle {
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
type AnyFile = Omit<FileSystemFileHandle, "createWritable"> & { createWritable?: FileSystemFileHandle["createWritable"]; createSyncAccessHandle?: () => Promise<SyncHandle> };

export class OriginFiles implements Shelf {
  readonly description = "the browser's files of this origin";
  readonly #root: Folder;

  private constructor(root: Folder) {
    this.#root = root;
  }

  /** undefined: this browser has none here, or does not let us write. */
  static async open(): Promise<OriginFiles | undefined> {
    try {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(PLACE, { create: true });
      const probe: AnyFile = await root.getFileHandle(".probe", { create: true });
      return typeof probe.createWritable === "function" || typeof probe.createSyncAccessHandle === "function" ? new OriginFiles(root) : undefined;
    } catch {
      return undefined; // an insecure address, a private window
    }
  }

  async get(path: string): Promise<Blob | undefined> {
    const [folder, name] = await this.#place(path);
    return ifThere(async () => (await folder?.getFileHandle(name))?.getFile());
  }

  async put(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const at = path.lastIndexOf("/");
    let folder = this.#root;
    for (const name of path.slice(0, Math.max(0, at)).split("/")) if (name !== "") folder = await folder.getDirectoryHandle(name, { create: true });
    const file: AnyFile = await folder.getFileHandle(path.slice(at + 1), { create: true });
    if (file.createWritable === undefined) return writeInPlace(file, bytes);
    const writable = await file.createWritable();
    try {
      await writable.write(bytes);
      await writable.close();
    } catch (error) {
      await writable.abort().catch(() => {});
      throw error;
    }
  }

  async remove(path: string): Promise<void> {
    const [folder, name] = await this.#place(path);
    await ifThere(async () => folder?.removeEntry(name, { recursive: true }));
  }

  async list(folder: string): Promise<readonly Item[]> {
    const items: Item[] = [];
    for await (const [name, { kind }] of (await this.#folder(folder))?.entries() ?? []) items.push({ name, isFolder: kind === "directory" });
    return items;
  }

  async all(folder: string): Promise<readonly Value[]> {
    const start = await this.#folder(folder);
    return start === undefined ? [] : valuesIn(start, "");
  }

  /** The folder that a path's last name is in; undefined if there is none. */
  async #place(path: string): Promise<[folder: Folder | undefined, name: string]> {
    const at = path.lastIndexOf("/");
    return [await this.#folder(path.slice(0, Math.max(0, at))), path.slice(at + 1)];
  }

  async #folder(path: string): Promise<Folder | undefined> {
    let folder: Folder | undefined = this.#root;
    for (const name of path.split("/")) if (name !== "" && folder !== undefined) folder = await ifThere(() => folder!.getDirectoryHandle(name));
    return folder;
  }
}

async function valuesIn(folder: Folder, prefix: string): Promise<Value[]> {
  const values: Value[] = [];
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === "directory") {
      values.push(...await valuesIn(handle as Folder, `${prefix}${name}/`));
    } else {
      const file = await ifThere(() => (handle as FileSystemFileHandle).getFile());
      if (file !== undefined) values.push({ path: prefix + name, size: file.size, changed: file.lastModified });
    }
  }
  return values;
}

async function writeInPlace(file: AnyFile, bytes: Uint8Array): Promise<void> {
  const handle = await file.createSyncAccessHandle!();
  try {
    // Empty first: what a page that ends meanwhile leaves is too short, and so known not to be whole.
    handle.truncate(0);
    for (let at = 0; at < bytes.length;) at += handle.write(bytes.subarray(at), { at });
    handle.flush();
  } finally {
    handle.close();
  }
}

async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const { name } = error as DOMException;
    if (name === "NotFoundError" || name === "TypeMismatchError") return undefined;
    throw error;
  }
}
