/**
 * What browsers have as a store of repositories. Names are encoded, so that each is one name whatever it holds:
 * ```
 * owner%2Fname/refs/main               a commit
 * owner%2Fname/trees/COMMIT            what the hub lists
 * owner%2Fname/blobs/HEX/              a file's content, in parts (blob-parts.ts)
 * owner%2Fname/snapshots/COMMIT/PATH   which blob is that file
 * owner%2Fname/used                    when something of it was last read
 * ```
 */
import type { OpenFile } from "../../files/files.ts";
import { readListing, writeListing } from "../folder/listing.ts";
import { byteCount, merged } from "../ranges.ts";
import type { Digest, HubFile, Listing, LockOptions, PartialBlob, Space, Store, StoredCommit, StoredModel } from "../store.ts";
import { INTENT, bytesOf, isWhole, openParts, partsOf } from "./blob-parts.ts";
import { SPACE_CURE, guarded, originSpace } from "./guarded.ts";
import { exclusively } from "./locks.ts";
import { MemoryShelf } from "./memory-shelf.ts";
import type { Shelf, Value } from "./shelf.ts";

/** Milliseconds between two looks at what another tab has. */
const LOOK = 500;
/** Milliseconds within which a use is not written down again. */
const USE = 3_600_000;

const encode = encodeURIComponent;
const bytesOfText = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;

export class ShelfStore implements Store {
  readonly description: string;
  readonly spaceCure = SPACE_CURE;
  readonly #shelf: Shelf;
  /** Others of the origin see it too. */
  readonly #isShared: boolean;

  constructor(shelf: Shelf) {
    this.description = shelf.description;
    this.#shelf = guarded(shelf);
    this.#isShared = !(shelf instanceof MemoryShelf);
  }

  async #text(path: string): Promise<string | undefined> {
    return (await this.#shelf.get(path))?.text();
  }

  async reference(repository: string, revision: string): Promise<string | undefined> {
    const text = await this.#text(`${encode(repository)}/refs/${encode(revision)}`);
    return text !== undefined && /^[0-9a-f]{40}$/.test(text) ? text : undefined;
  }

  async setReference(repository: string, revision: string, commit: string): Promise<void> {
    if (await this.reference(repository, revision) === commit) return;
    await this.#shelf.put(`${encode(repository)}/refs/${encode(revision)}`, bytesOfText(commit));
  }

  async listing(repository: string, commit: string): Promise<Listing | undefined> {
    const text = await this.#text(`${encode(repository)}/trees/${commit}`);
    return text === undefined ? undefined : readListing(text);
  }

  async setListing(repository: string, commit: string, listing: Listing): Promise<void> {
    await this.#shelf.put(`${encode(repository)}/trees/${commit}`, bytesOfText(writeListing(listing)));
  }

  async has(repository: string, commit: string, path: string): Promise<boolean | undefined> {
    const file = await this.#linked(repository, commit, encode(path));
    if (file !== undefined && await this.hasBlob(repository, file)) return true;
    const listing = await this.listing(repository, commit);
    return listing === undefined || listing.has(path) ? undefined : false;
  }

  async open(repository: string, commit: string, path: string): Promise<OpenFile | null> {
    const file = await this.#linked(repository, commit, encode(path));
    if (file === undefined || !await this.hasBlob(repository, file)) return null;
    await this.#use(repository);
    const { size, digest } = file;
    const folder = blobFolder(repository, digest);
    const blobs = bytesOf(this.#shelf, folder, await partsOf(this.#shelf, folder, size), 0, size);
    return { stream: streamOf(blobs), size };
  }

  /** The file that a commit has under an encoded path, whether or not its content is here. */
  async #linked(repository: string, commit: string, name: string): Promise<HubFile | undefined> {
    try {
      const { path, size, digest } = JSON.parse(await this.#text(`${encode(repository)}/snapshots/${commit}/${name}`) ?? "") as HubFile;
      const isFile = typeof path === "string" && Number.isSafeInteger(size) && /^(sha256|git)$/.test(digest.kind) && /^[0-9a-f]{40,64}$/.test(digest.hex);
      return isFile ? { path, size, digest } : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof TypeError) return undefined; // none, or not written to its end
      throw error;
    }
  }

  async #use(repository: string): Promise<void> {
    const path = `${encode(repository)}/used`;
    const before = Number(await this.#text(path));
    if (!(Date.now() - before < USE)) await this.#shelf.put(path, bytesOfText(String(Date.now()))).catch(() => {}); // reading goes on without
  }

  async hasBlob(repository: string, file: HubFile): Promise<boolean> {
    return isWhole(this.#shelf, blobFolder(repository, file.digest), file);
  }

  async missingBytes(repository: string, file: HubFile): Promise<number> {
    if (await this.hasBlob(repository, file)) return 0;
    return file.size - byteCount(merged(await partsOf(this.#shelf, blobFolder(repository, file.digest), file.size)));
  }

  async link(repository: string, commit: string, { path, size, digest }: HubFile): Promise<void> {
    await this.#shelf.put(`${encode(repository)}/snapshots/${commit}/${encode(path)}`, bytesOfText(JSON.stringify({ path, size, digest })));
  }

  async partial(repository: string, file: HubFile): Promise<PartialBlob> {
    return openParts(this.#shelf, blobFolder(repository, file.digest), file);
  }

  async lock<T>(repository: string, file: HubFile, work: (lost: AbortSignal) => Promise<T>, { signal, waiting }: LockOptions): Promise<T> {
    const folder = blobFolder(repository, file.digest);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      timer = setTimeout(async () => {
        const parts = await partsOf(this.#shelf, folder, file.size).catch(() => undefined);
        if (timer === undefined) return;
        waiting?.(parts && byteCount(merged(parts)));
        look();
      }, LOOK);
    };
    const still = (): void => {
      clearTimeout(timer);
      timer = undefined;
    };
    if (waiting !== undefined) look();
    try {
      return await exclusively(`kvasm ${this.description} ${folder}`, signal, () => {
        still();
        return work(new AbortController().signal); // nobody takes over: the lock of a tab ends with the tab
      });
    } finally {
      still();
    }
  }

  async space(): Promise<Space> {
    return this.#isShared ? originSpace() : { free: undefined, isPersistent: false };
  }

  async persist(): Promise<boolean> {
    try {
      return this.#isShared && await navigator.storage.persist();
    } catch {
      return false; // a browser that has no such thing
    }
  }

  async models(): Promise<StoredModel[]> {
    const names = (await this.#shelf.list("")).filter(({ isFolder }) => isFolder).map(({ name }) => decodeURIComponent(name));
    return Promise.all(names.sort().map((repository) => this.#model(repository)));
  }

  async #model(repository: string): Promise<StoredModel> {
    const folder = encode(repository);
    const values = await this.#shelf.all(folder);
    const begun = new Set(values.filter(({ path }) => path.endsWith(`/${INTENT}`)).map(({ path }) => folderOf(path)));
    const bytes = (of: readonly Value[]): number => of.reduce((sum, { size }) => sum + size, 0);
    const references = await Promise.all(values.filter(({ path }) => path.startsWith("refs/")).map(async ({ path }): Promise<[string, string | undefined]> => {
      const revision = decodeURIComponent(path.slice(5));
      return [revision, await this.reference(repository, revision)];
    }));
    const linked = new Map<string, HubFile[]>();
    for (const { path } of values) {
      const [kind, commit, name] = path.split("/");
      if (kind !== "snapshots") continue;
      const file = await this.#linked(repository, commit, name);
      if (file !== undefined && await this.hasBlob(repository, file)) linked.set(commit, [...linked.get(commit) ?? [], file]);
    }
    const commits = [...linked].sort(([a], [b]) => (a < b ? -1 : 1)).map(([commit, files]): StoredCommit => ({
      commit, references: references.filter(([, one]) => one === commit).map(([revision]) => revision).sort(), files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    }));
    const used = Number(await this.#text(`${folder}/used`)) || 0;
    return {
      repository, bytes: bytes(values), unfinishedBytes: bytes(values.filter(({ path }) => begun.has(folderOf(path)))), commits,
      lastUsed: Math.max(used, ...values.filter(({ path }) => path !== "used").map(({ changed }) => changed), 0),
    };
  }

  async remove(repository: string, commit?: string): Promise<number> {
    const folder = encode(repository);
    const before = (await this.#shelf.all(folder)).reduce((sum, { size }) => sum + size, 0);
    if (before === 0) return 0;
    if (commit !== undefined) {
      // First the names, then what they name: what is left half removed is incomplete and not wrong.
      for (const { name } of await this.#shelf.list(`${folder}/refs`)) {
        if (await this.reference(repository, decodeURIComponent(name)) === commit) await this.#shelf.remove(`${folder}/refs/${name}`);
      }
      await this.#shelf.remove(`${folder}/snapshots/${commit}`);
      await this.#shelf.remove(`${folder}/trees/${commit}`);
    }
    const rest = commit === undefined ? [] : (await this.#model(repository)).commits;
    if (rest.length === 0) {
      await this.#shelf.remove(folder);
      return before;
    }
    const needed = new Set(rest.flatMap(({ files }) => files.map(({ digest }) => digest.hex)));
    for (const { name } of await this.#shelf.list(`${folder}/blobs`)) {
      const isBegun = (await this.#shelf.list(`${folder}/blobs/${name}`)).some((item) => item.name === INTENT); // by another tab, maybe
      if (!needed.has(name) && !isBegun) await this.#shelf.remove(`${folder}/blobs/${name}`);
    }
    return before - (await this.#shelf.all(folder)).reduce((sum, { size }) => sum + size, 0);
  }

  async removeBlob(repository: string, digest: Digest): Promise<void> {
    const folder = `${encode(repository)}/snapshots`;
    for (const { path } of await this.#shelf.all(folder)) {
      const [commit, name] = path.split("/");
      if ((await this.#linked(repository, commit, name))?.digest.hex === digest.hex) await this.#shelf.remove(`${folder}/${path}`);
    }
    await this.#shelf.remove(blobFolder(repository, digest));
  }
}

function blobFolder(repository: string, { hex }: Digest): string {
  return `${encode(repository)}/blobs/${hex}`;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** The bytes of blobs, one after the other. */
function streamOf(blobs: AsyncGenerator<Blob>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await blobs.next();
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(await value.arrayBuffer()));
    },
    async cancel() {
      await blobs.return(undefined);
    },
  }, { highWaterMark: 0 });
}
