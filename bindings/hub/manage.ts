/** What the store holds: downloaded on its own, listed, compared with its digests, removed. */
import { KvasmError, checkBoolean, checkNumber, checkOptions, shown } from "../errors.ts";
import { checkSignal } from "../hosts/signal.ts";
import { hasherOf } from "./digest.ts";
import { checkRepository, parseId } from "./id.ts";
import { HUB_KEYS, hubOptions } from "./keys.ts";
import { pullModel } from "./pull.ts";
import type { Found } from "./pull.ts";
import { settingsOf } from "./settings.ts";
import type { HubCall } from "./settings.ts";
import type { Store, StoredFile, StoredModel } from "./store.ts";

export interface StoreOptions {
  /** Default: as `load` has it. */
  cacheDir?: string | undefined;
  signal?: AbortSignal | undefined;
}

const STORE_KEYS = ["cacheDir", "signal"] as const;

export interface Pulled {
  readonly repository: string;
  readonly commit: string;
  /** Of the files, in the repository. */
  readonly paths: readonly string[];
  /** Of all of them together. */
  readonly bytes: number;
  /** Where they are, in the store. */
  readonly files: readonly StoredFile[];
  /** Such as that the hub did not answer, and that these are those of the last time; sentences. */
  readonly notes: readonly string[];
}

/**
 * Downloads the files that `load` would want, and loads nothing. What is here is not downloaded again.
 * @throws KvasmError as `load` of a hub's id
 */
export async function pull(id: string, options?: HubCall): Promise<Pulled> {
  const given = checkOptions<HubCall>("pull options", options, [...HUB_KEYS, "fetch", "signal", "onProgress"]);
  const parsed = typeof id === "string" ? parseId(id) : undefined;
  if (parsed === undefined) throw new KvasmError(typeof id === "string" ? "value" : "type", `id: expected the name of a model on a hub, such as "openai-community/gpt2"; got ${shown(id)}.`, { argument: "id", value: id });
  const signal = checkSignal(given.signal);
  const settings = await settingsOf(parsed, { ...hubOptions(given), fetch: given.fetch });
  return pulledFrom(settings.store, parsed.repository, await pullModel(parsed, settings, { signal, onProgress: given.onProgress }));
}

export async function pulledFrom(store: Store, repository: string, { commit, files: paths, notes }: Found): Promise<Pulled> {
  const stored = (await store.models()).find((model) => model.repository === repository);
  const files = stored?.commits.find((one) => one.commit === commit)?.files.filter(({ path }) => paths.includes(path)) ?? [];
  return { repository, commit, paths, bytes: files.reduce((sum, { size }) => sum + size, 0), files, notes };
}

/** All models of the store, whoever downloaded them. */
export async function models(options?: StoreOptions): Promise<StoredModel[]> {
  return (await storeOf("models options", options)).store.models();
}

export interface Storage {
  /** Where it is. */
  readonly description: string;
  /** Of all models together. */
  readonly bytes: number;
  /** Bytes that may still be written; undefined where the system does not say. */
  readonly free: number | undefined;
  /** In a page: bytes that its origin may store in all. */
  readonly quota: number | undefined;
  /** False: a browser that is short of space may clear it, unless `persist` was called and granted. */
  readonly isPersistent: boolean;
}

/**
 * Where models are kept, and the bytes that they take and may take.
 * @throws KvasmError `type`, `option`; `source` if the store cannot be read
 */
export async function storage(options?: StoreOptions): Promise<Storage> {
  const { store } = await storeOf("storage options", options);
  const [stored, { free, quota, isPersistent = true }] = await Promise.all([store.models(), store.space()]);
  return { description: store.description, bytes: stored.reduce((sum, { bytes }) => sum + bytes, 0), free, quota, isPersistent };
}

/**
 * In a page: asks the browser not to clear this origin's data by itself (navigator.storage.persist). Some browsers ask the visitor, so call it
 * after something the visitor did. Returns whether storage is persistent now; always true where models lie in a folder.
 * @throws KvasmError `type`, `option`
 */
export async function persist(options?: StoreOptions): Promise<boolean> {
  const { store } = await storeOf("persist options", options);
  return store.persist === undefined ? true : store.persist();
}

/**
 * Removes a model, or one of its revisions (a commit, or a branch or tag as it was last asked for). Returns the bytes freed: files that
 * another revision needs stay.
 * @throws KvasmError `absent` if it is not there; `type`, `value`, `option`; `source` if it cannot be removed
 */
export async function remove(repository: string, options?: StoreOptions & { revision?: string | undefined }): Promise<number> {
  const { store, given } = await storeOf<StoreOptions & { revision?: string }>("remove options", options, ["revision"]);
  const model = await modelOf(store, repository);
  if (given.revision === undefined) return store.remove(model.repository);
  const { revision } = given;
  const found = model.commits.find(({ commit, references }) => commit === revision || references.includes(revision));
  if (found === undefined) throw new KvasmError("absent", `revision: ${shown(revision)} of ${shown(repository)} is not in ${store.description}. There are ${model.commits.map(({ commit, references }) => references[0] ?? commit).join(", ") || "none"}.`, { argument: "revision", value: revision });
  return store.remove(model.repository, found.commit);
}

async function modelOf(store: Store, repository: string): Promise<StoredModel> {
  const name = checkRepository("repository", repository);
  const found = (await store.models()).find((model) => model.repository === name);
  if (found === undefined) throw new KvasmError("absent", `repository: ${shown(name)} is not in ${store.description}. kvasm models list shows what is.`, { argument: "repository", value: name });
  return found;
}

export interface Verified {
  readonly repository: string;
  readonly commit: string;
  readonly path: string;
  readonly size: number;
  /** False: its bytes are not those that its digest is of. */
  readonly isWhole: boolean;
}

export interface VerifyStoredOptions extends StoreOptions {
  /** Removes what is damaged, so that it is downloaded again when it is wanted. Default false. */
  repair?: boolean | undefined;
  onFile?: ((file: Verified) => void) | undefined;
}

/** Reads every file of a model, or of all models, and compares it with its digest. */
export async function verify(repository?: string, options?: VerifyStoredOptions): Promise<Verified[]> {
  const { store, given, signal } = await storeOf<VerifyStoredOptions>("verify options", options, ["repair", "onFile"]);
  const repair = given.repair !== undefined && checkBoolean("repair", given.repair);
  const wanted = repository === undefined ? await store.models() : [await modelOf(store, repository)];
  const results: Verified[] = [];
  for (const model of wanted) {
    // Commits share blobs: each is read once.
    const known = new Map<string, boolean>();
    for (const { commit, files } of model.commits) {
      for (const file of files) {
        const isWhole = known.get(file.digest.hex) ?? await compares(store, model.repository, commit, file, signal);
        known.set(file.digest.hex, isWhole);
        const result = { repository: model.repository, commit, path: file.path, size: file.size, isWhole };
        results.push(result);
        given.onFile?.(result);
      }
    }
    if (!repair) continue;
    for (const file of model.commits.flatMap(({ files }) => files)) if (known.get(file.digest.hex) === false) await store.removeBlob(model.repository, file.digest);
  }
  return results;
}

async function compares(store: Store, repository: string, commit: string, file: StoredFile, signal: AbortSignal | undefined): Promise<boolean> {
  const open = await store.open(repository, commit, file.path);
  if (open === null) return false;
  const hasher = hasherOf(file);
  const reader = open.stream.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      signal?.throwIfAborted();
      hasher.update(read.value);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  return hasher.digest() === file.digest.hex;
}

export interface PruneOptions extends StoreOptions {
  /** Milliseconds: models that nothing was read of for so long. */
  olderThan?: number | undefined;
  /** Bytes: models that take more. */
  largerThan?: number | undefined;
  /** Commits that no branch or tag points to. */
  unreferenced?: boolean | undefined;
  /** Says what would be removed. Default false. */
  dryRun?: boolean | undefined;
}

export interface Pruned {
  readonly repository: string;
  /** The commit that was removed; undefined: all of the model. */
  readonly commit: string | undefined;
  readonly bytes: number;
}

/**
 * Removes models of which every given condition is true.
 * @throws KvasmError `value` (no condition, or one out of range), `type`, `option`
 */
export async function prune(options: PruneOptions): Promise<Pruned[]> {
  const { store, given } = await storeOf<PruneOptions>("prune options", options, ["olderThan", "largerThan", "unreferenced", "dryRun"]);
  const { olderThan, largerThan } = given;
  const [unreferenced, dryRun] = [given.unreferenced !== undefined && checkBoolean("unreferenced", given.unreferenced), given.dryRun !== undefined && checkBoolean("dryRun", given.dryRun)];
  if (olderThan !== undefined) checkNumber("olderThan", olderThan, 0, Number.MAX_SAFE_INTEGER);
  if (largerThan !== undefined) checkNumber("largerThan", largerThan, 0, Number.MAX_SAFE_INTEGER);
  if (olderThan === undefined && largerThan === undefined && !unreferenced) throw new KvasmError("value", "olderThan: expected a condition (olderThan, largerThan or unreferenced), got none. To remove one model, call remove.", { argument: "olderThan" });
  const now = Date.now();
  const pruned: Pruned[] = [];
  for (const { repository, bytes, lastUsed, commits } of await store.models()) {
    if ((olderThan !== undefined && now - lastUsed < olderThan) || (largerThan !== undefined && bytes <= largerThan)) continue;
    if (!unreferenced) {
      pruned.push({ repository, commit: undefined, bytes: dryRun ? bytes : await store.remove(repository) });
      continue;
    }
    for (const { commit, references, files } of commits) {
      if (references.length > 0) continue;
      pruned.push({ repository, commit, bytes: dryRun ? files.reduce((sum, { size }) => sum + size, 0) : await store.remove(repository, commit) });
    }
  }
  return pruned;
}

async function storeOf<T extends StoreOptions>(where: string, options: T | undefined, keys: readonly string[] = []): Promise<{ store: Store; given: T; signal: AbortSignal | undefined }> {
  const given = checkOptions<T>(where, options, [...STORE_KEYS, ...keys]);
  const signal = checkSignal(given.signal);
  const { store } = await settingsOf({ revision: undefined }, { ...hubOptions({ ...given, revision: undefined }), token: false });
  return { store, given, signal };
}
