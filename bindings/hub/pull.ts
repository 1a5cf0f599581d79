/** A model's files, brought into the store. */
import { KvasmError } from "../errors.ts";
import { readText } from "../files/bytes.ts";
import { commitOf, filesOf } from "./catalog.ts";
import { choose, shardsOf } from "./choose.ts";
import { download } from "./download.ts";
import type { Job } from "./download.ts";
import { isCommit } from "./id.ts";
import type { HubId } from "./id.ts";
import { findOffline } from "./offline.ts";
import { Changed } from "./piece.ts";
import { Meter } from "./progress.ts";
import type { HubCall, Settings } from "./settings.ts";
import { Slots } from "./slots.ts";
import { checkSpace, noSpace } from "./space.ts";
import type { HubFile, Listing, PartialBlob } from "./store.ts";

/** Requests at once. */
const CONNECTIONS = 4;
/** Times that a revision is asked for anew because its files were no longer those listed. */
const MOST_CHANGES = 2;

export interface Found {
  readonly commit: string;
  /** What the commit has; undefined where nobody asked the hub. */
  readonly listing: Listing | undefined;
  readonly files: readonly string[];
  readonly notes: readonly string[];
}

/** @throws KvasmError `access`, `absent`, `rate-limit`, `offline`, `space`, `source`, `unsupported`, `weights`; the signal's reason */
export async function pullModel(id: HubId, settings: Settings, { signal, onProgress }: Pick<HubCall, "signal" | "onProgress">): Promise<Found> {
  signal?.throwIfAborted();
  const own = new AbortController();
  const stop = (): void => own.abort(signal!.reason);
  signal?.addEventListener("abort", stop);
  try {
    if (settings.offline) return await findOffline(id, settings);
    for (let changes = 0; ; changes++) {
      try {
        return await pullOnce(id, settings, own.signal, new Meter(onProgress), changes > 0);
      } catch (error) {
        if (!(error instanceof Changed)) throw error;
        if (changes === MOST_CHANGES) throw error.final;
      }
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function pullOnce(id: HubId, settings: Settings, signal: AbortSignal, meter: Meter, isAnew: boolean): Promise<Found> {
  const { repository } = id;
  const { connection, revision, store } = settings;
  // With everything here, a network that does not answer is no reason to fail, nor to wait for long.
  const before = isCommit(revision) ? undefined : await findOffline(id, settings).catch(() => undefined);
  let commit: string;
  try {
    commit = isCommit(revision) ? revision : await commitOf(connection, repository, revision, signal, before && { ...connection.timing, tries: 2 });
  } catch (error) {
    signal.throwIfAborted();
    if (before === undefined || !KvasmError.is(error) || (error.code !== "source" && error.code !== "rate-limit")) throw error;
    return { ...before, notes: [`The hub did not answer; ${repository} is what ${JSON.stringify(revision)} was when it was last asked (${before.commit}). ${error.message}`] };
  }
  let listing = isAnew ? undefined : await store.listing(repository, commit);
  if (listing === undefined) {
    listing = await filesOf(connection, repository, commit, signal);
    await store.setListing(repository, commit, listing);
  }
  const choice = choose(id, listing);
  for (const { path, size } of choice.files) meter.expect(path, size);
  await checkSpace(store, repository, choice.files);
  const slots = new Slots(CONNECTIONS);
  const bring = async (file: HubFile): Promise<void> => {
    await bringFile({ connection, repository, commit, file, meter, pieceBytes: settings.pieceBytes, connections: CONNECTIONS, slots }, settings, signal);
  };
  const files = [...choice.files];
  await allOf(files.map((file) => async () => {
    await bring(file);
    if (file !== choice.index) return;
    const text = await readText({ description: repository, open: (name) => store.open(repository, commit, name) }, file.path, file.size, signal);
    const shards = shardsOf(text ?? "", file.path, listing);
    for (const { path, size } of shards) meter.expect(path, size);
    await checkSpace(store, repository, shards);
    files.push(...shards);
    await allOf(shards.map((shard) => () => bring(shard)));
  }));
  // Last of all: until here the revision is what it was before, and that may be here whole.
  if (!isCommit(revision)) await store.setReference(repository, revision, commit);
  return { commit, listing, files: files.map(({ path }) => path), notes: [] };
}

/** All at once; the first failure is thrown when all have ended. */
async function allOf(works: readonly (() => Promise<void>)[]): Promise<void> {
  const results = await Promise.allSettled(works.map((work) => work()));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

async function bringFile(job: Job, { store }: Settings, signal: AbortSignal): Promise<void> {
  const { repository, commit, file, meter } = job;
  if (await store.has(repository, commit, file.path) === true) return meter.done(file.path);
  while (!await store.hasBlob(repository, file)) {
    signal.throwIfAborted();
    await store.lock(repository, file, async (lost) => {
      if (await store.hasBlob(repository, file)) return;
      const both = new AbortController();
      const stop = (): void => both.abort(signal.aborted ? signal.reason : lost.reason);
      for (const one of [signal, lost]) one.addEventListener("abort", stop);
      if (signal.aborted || lost.aborted) stop();
      try {
        await download(job, () => openWithSpace(), both.signal);
      } catch (error) {
        // Whoever has the lock now downloads it; here one waits.
        if (signal.aborted || !lost.aborted) throw error;
      } finally {
        for (const one of [signal, lost]) one.removeEventListener("abort", stop);
      }
    }, { signal, waiting: (bytes) => bytes !== undefined && meter.has(file.path, bytes) });
  }
  await store.link(repository, commit, file);
  meter.done(file.path);

  async function openWithSpace(): Promise<PartialBlob> {
    const { free } = await store.space();
    const partial = await store.partial(repository, file);
    const needed = file.size - partial.ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
    if (free === undefined || free >= needed) return partial;
    await partial.close();
    throw noSpace(store, file.path, needed, free); // another download has taken it meanwhile
  }
}
