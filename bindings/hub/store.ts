/**
 * What holds the files of repositories: in Node, Deno and Bun the cache folder that Hugging Face's own tools use (store-folder.ts), in
 * browsers what they have. Nothing here knows of the network.
 *
 * A repository is named as on the hub, "owner/name". A commit is 40 hexadecimal digits. A blob is the content of a file, named by its
 * digest, so that two commits with the same file share it. What is being downloaded is a partial blob until all of it was checked.
 */
import type { OpenFile } from "../files/files.ts";

/** What a hub calls a file's content: sha256 of the bytes where Git LFS (or Xet) holds it, else git's hash of a blob. In hexadecimal digits. */
export interface Digest {
  readonly kind: "sha256" | "git";
  readonly hex: string;
}

/** One file of a commit, as the hub lists it. */
export interface HubFile {
  /** In the repository, with "/" between folders. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly digest: Digest;
  /** Git's hash of what git holds, which for LFS is a pointer; as listed, for those who share the store. */
  readonly blobId?: string | undefined;
  /** Name of the content in Xet's storage, as listed, for those who share the store. */
  readonly xetHash?: string | undefined;
}

/** All files of a commit: path → file. */
export type Listing = ReadonlyMap<string, HubFile>;

/** Bytes from `begin` to before `end`. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/** What is here of a blob that is on its way. One at a time has it open, under the store's lock. */
export interface PartialBlob {
  /** What was written before, also by processes that were killed since: ascending, not empty, not touching each other. */
  readonly ranges: readonly ByteRange[];
  /** Adds bytes, anywhere within the blob's size; resolves when `read` would give them. Calls may overlap in time, never in bytes. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Bytes of [begin, end), which was written. */
  read(begin: number, end: number): Promise<Uint8Array>;
  /** The caller has compared all bytes with the digest: the blob is there from now on, whole, in one step. Closes. */
  commit(): Promise<void>;
  /** What was written is wrong: nothing of it stays. Closes. */
  discard(): Promise<void>;
  /** Lets go; what was written stays for the next time. May be called twice, and after `commit` and `discard`. */
  close(): Promise<void>;
}

/** What a store holds of one repository. */
export interface StoredModel {
  readonly repository: string;
  /** Bytes on disk, blobs that commits share counted once, unfinished downloads included. */
  readonly bytes: number;
  /** Of `bytes`, those of unfinished downloads. */
  readonly unfinishedBytes: number;
  readonly commits: readonly StoredCommit[];
  /** When something of it was last read, or written where a system does not say; milliseconds since 1970. */
  readonly lastUsed: number;
}

export interface StoredCommit {
  readonly commit: string;
  /** Branches and tags that meant it when last asked for. */
  readonly references: readonly string[];
  readonly files: readonly StoredFile[];
}

export interface StoredFile extends HubFile {
  /** Where it lies, if that is a path. */
  readonly location?: string | undefined;
}

export interface Space {
  /** Bytes that may still be written; undefined if the system does not say. */
  readonly free: number | undefined;
  /** Of a browser: bytes that the origin may have in all, other things of the page included. */
  readonly quota?: number | undefined;
  /** False: a browser that is short of space may clear it. */
  readonly isPersistent?: boolean | undefined;
}

/** `undefined` from a method that finds: nothing is known of it here. Every failure of the system is a KvasmError `source` or `space`. */
export interface Store {
  /** Where it is, for messages. */
  readonly description: string;
  /** What to do where there is no space; a sentence. */
  readonly spaceCure: string;

  /** The commit that a branch or tag meant when it was last asked for. */
  reference(repository: string, revision: string): Promise<string | undefined>;
  setReference(repository: string, revision: string, commit: string): Promise<void>;
  /** What the hub listed for a commit. */
  listing(repository: string, commit: string): Promise<Listing | undefined>;
  setListing(repository: string, commit: string, listing: Listing): Promise<void>;

  /** A file of a commit: true if it is here, false if the commit is known not to have it, undefined if neither is known. */
  has(repository: string, commit: string, path: string): Promise<boolean | undefined>;
  /** A file that is here; null if it is not. */
  open(repository: string, commit: string, path: string): Promise<OpenFile | null>;

  hasBlob(repository: string, file: HubFile): Promise<boolean>;
  /** Bytes of a blob that are not here. */
  missingBytes(repository: string, file: HubFile): Promise<number>;
  /** A blob that is here becomes a file of a commit. */
  link(repository: string, commit: string, file: HubFile): Promise<void>;
  /** Writes down what is going to be downloaded, or finds what was. Under `lock`. */
  partial(repository: string, file: HubFile): Promise<PartialBlob>;

  /**
   * Runs `work` while no other process or tab does so for the same blob. Who comes second waits, and is told every now and then
   * (`waiting`, with the bytes of the other's partial blob if known). One that holds the lock and no longer answers loses it: then its
   * `lost` aborts, and it must stop to write.
   */
  lock<T>(repository: string, file: HubFile, work: (lost: AbortSignal) => Promise<T>, options: LockOptions): Promise<T>;

  space(): Promise<Space>;
  /** Asks that nothing is cleared but by a person; whether that is so now. Where it is so anyway, there is nothing to ask. */
  persist?(): Promise<boolean>;
  /** All repositories. */
  models(): Promise<StoredModel[]>;
  /** Drops a commit, or all of a repository; blobs that another commit needs stay. Returns bytes freed. */
  remove(repository: string, commit?: string): Promise<number>;
  /** Drops a blob whose bytes turned out to be wrong, with the files that are it. */
  removeBlob(repository: string, digest: Digest): Promise<void>;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  readonly waiting?: ((bytes: number | undefined) => void) | undefined;
}
