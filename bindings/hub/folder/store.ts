/** The cache folder of Hugging Face's tools as a store. */
import { copyFile, link, mkdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { OpenFile } from "../../files/files.ts";
import { openPath } from "../../files/source-path.ts";
import { byteCount } from "../ranges.ts";
import type { Digest, HubFile, Listing, LockOptions, PartialBlob, Space, Store, StoredModel } from "../store.ts";
import { freeBytes, ifThere, onDisk, readText, replace, writeText } from "./files.ts";
import { RANGES, blobPath, lockPath, repositoryFolder, snapshotPath } from "./layout.ts";
import { readListing, writeListing } from "./listing.ts";
import { LOCK_TIMES, takeLock } from "./lock.ts";
import { removeBlobFiles, removeStored, storedModels } from "./models.ts";
import { openPartial, parseJournal } from "./partial.ts";

/** As in https://bford.info/cachedir/, and as huggingface_hub writes it. */
const TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag created by huggingface_hub.\n# For information about cache directory tags, see:\n#\thttps://bford.info/cachedir/\n";

export interface FolderOptions {
  /** Snapshots link to blobs; else they are copies. */
  readonly symlinks?: boolean;
  readonly lockTimes?: typeof LOCK_TIMES;
}

export class FolderStore implements Store {
  readonly description: string;
  readonly spaceCure = "Free some (kvasm models prune), or pass another folder as cacheDir.";
  readonly #root: string;
  readonly #options: FolderOptions;
  /** Partial blobs that another process may still write to. */
  readonly #shared = new Set<string>();

  constructor(root: string, options: FolderOptions = {}) {
    this.description = root;
    this.#root = root;
    this.#options = options;
  }

  #folder(repository: string): string {
    return repositoryFolder(this.#root, repository);
  }

  async reference(repository: string, revision: string): Promise<string | undefined> {
    const text = (await readText(join(this.#folder(repository), "refs", ...revision.split("/"))))?.trim();
    return text !== undefined && /^[0-9a-f]{40}$/.test(text) ? text : undefined;
  }

  async setReference(repository: string, revision: string, commit: string): Promise<void> {
    if (await this.reference(repository, revision) === commit) return; // perhaps it may not be written to
    await this.#tag();
    await writeText(join(this.#folder(repository), "refs", ...revision.split("/")), commit);
  }

  async #tag(): Promise<void> {
    await onDisk(this.#root, mkdir(this.#root, { recursive: true }));
    await writeFile(join(this.#root, "CACHEDIR.TAG"), TAG, { flag: "wx" }).catch(() => {}); // there already, or of no importance
  }

  async listing(repository: string, commit: string): Promise<Listing | undefined> {
    const text = await readText(this.#listingPath(repository, commit));
    return text === undefined ? undefined : readListing(text);
  }

  async setListing(repository: string, commit: string, listing: Listing): Promise<void> {
    await this.#tag();
    await writeText(this.#listingPath(repository, commit), writeListing(listing));
  }

  #listingPath(repository: string, commit: string): string {
    return join(this.#folder(repository), "trees", `${commit}.json`);
  }

  async has(repository: string, commit: string, path: string): Promise<boolean | undefined> {
    const folder = this.#folder(repository);
    const file = snapshotPath(folder, commit, path);
    const stats = await ifThere(file, stat(file));
    const listing = await this.listing(repository, commit);
    if (stats !== undefined) return listing?.has(path) && listing.get(path)!.size !== stats.size ? undefined : true;
    if (listing !== undefined) return listing.has(path) ? undefined : false;
    const absent = join(folder, ".no_exist", commit, ...path.split("/"));
    if (await ifThere(absent, stat(absent)) !== undefined) return false;
    // Every repository has one, and nobody downloads it but with all the rest.
    const everything = snapshotPath(folder, commit, ".gitattributes");
    return await ifThere(everything, stat(everything)) !== undefined ? false : undefined;
  }

  async open(repository: string, commit: string, path: string): Promise<OpenFile | null> {
    return openPath(snapshotPath(this.#folder(repository), commit, path));
  }

  async hasBlob(repository: string, file: HubFile): Promise<boolean> {
    const path = blobPath(this.#folder(repository), file.digest);
    return (await ifThere(path, stat(path)))?.size === file.size;
  }

  async missingBytes(repository: string, file: HubFile): Promise<number> {
    if (await this.hasBlob(repository, file)) return 0;
    return file.size - (await this.#begunBytes(blobPath(this.#folder(repository), file.digest), file) ?? 0);
  }

  /** Of an unfinished download; undefined: there is none. */
  async #begunBytes(blob: string, file: HubFile): Promise<number | undefined> {
    const journal = await readText(blob + RANGES);
    const ranges = journal === undefined ? undefined : parseJournal(journal, file);
    return ranges && byteCount(ranges);
  }

  async link(repository: string, commit: string, file: HubFile): Promise<void> {
    const folder = this.#folder(repository);
    const [blob, target] = [blobPath(folder, file.digest), snapshotPath(folder, commit, file.path)];
    await replace(target, async (temporary) => {
      if (this.#options.symlinks !== false) {
        try {
          return await symlink(relative(dirname(target), blob), temporary, "file");
        } catch {
          // Windows, without the right to; some network drives.
        }
      }
      await link(blob, temporary).catch(() => copyFile(blob, temporary));
    });
    // Of a process that was killed when its blob was whole and its journal was not gone.
    await onDisk(blob, rm(blob + RANGES, { force: true }));
  }

  async partial(repository: string, file: HubFile): Promise<PartialBlob> {
    const path = blobPath(this.#folder(repository), file.digest);
    await this.#tag();
    return openPartial(path, file, this.#shared.has(path));
  }

  async lock<T>(repository: string, file: HubFile, work: (lost: AbortSignal) => Promise<T>, { signal, waiting }: LockOptions): Promise<T> {
    const blob = blobPath(this.#folder(repository), file.digest);
    const told = async (): Promise<void> => {
      waiting?.(await this.#begunBytes(blob, file));
    };
    const held = await takeLock(lockPath(this.#root, repository, file.digest), signal, told, this.#options.lockTimes);
    if (held.isTakenFromLiving) this.#shared.add(blob);
    try {
      return await work(held.lost);
    } finally {
      this.#shared.delete(blob);
      await held.release();
    }
  }

  async space(): Promise<Space> {
    for (let folder = this.#root; ; folder = dirname(folder)) {
      const free = await freeBytes(folder);
      if (free !== undefined || folder === dirname(folder)) return { free };
    }
  }

  async models(): Promise<StoredModel[]> {
    return storedModels(this.#root);
  }

  async remove(repository: string, commit?: string): Promise<number> {
    return removeStored(this.#root, repository, commit);
  }

  async removeBlob(repository: string, digest: Digest): Promise<void> {
    return removeBlobFiles(this.#folder(repository), digest);
  }
}
