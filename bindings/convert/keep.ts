/** `pull` with keep: "converted": the original is downloaded, written anew as integers, and let go. */
import { KvasmError, checkOptions, shown } from "../errors.ts";
import { checkSignal } from "../hosts/signal.ts";
import { commitOf } from "../hub/catalog.ts";
import { checkKept, convertedName, findConverted } from "../hub/converted.ts";
import { hasherOf } from "../hub/digest.ts";
import { isCommit, parseId } from "../hub/id.ts";
import { HUB_KEYS, hubOptions } from "../hub/keys.ts";
import { pull as pullOriginal, pulledFrom } from "../hub/manage.ts";
import type { Pulled } from "../hub/manage.ts";
import { pullModel } from "../hub/pull.ts";
import { settingsOf } from "../hub/settings.ts";
import type { HubCall } from "../hub/settings.ts";
import type { HubFile, PartialBlob, Store } from "../hub/store.ts";
import { convertFiles } from "./convert.ts";
import type { ConvertedFile } from "./convert.ts";

export interface PullOptions extends HubCall {
  /** With keep: "converted", what the matrices become: "q8" or "q4". */
  weights?: "q8" | "q4" | undefined;
}

/** Says where the files come from. */
const ORIGIN = "kvasm.json";

/**
 * Downloads the files that `load` would want, and loads nothing. What is here is not downloaded again. With keep: "converted" they are kept as
 * kvasm's own integers alone, for `load` with the same options; an original that was here before stays.
 * @throws KvasmError as `load` of a hub's id
 */
export async function pull(id: string, options?: PullOptions): Promise<Pulled> {
  const { weights: wanted, ...rest } = checkOptions<PullOptions>("pull options", options, [...HUB_KEYS, "weights", "fetch", "signal", "onProgress"]);
  if (rest.keep !== "converted") {
    if (wanted !== undefined) throw new KvasmError("option", `weights: applies only with keep: "converted", got ${shown(wanted)}. Leave it out; load has the option, too.`, { argument: "weights", value: wanted });
    return pullOriginal(id, options as HubCall);
  }
  const parsed = typeof id === "string" ? parseId(id) : undefined;
  if (parsed === undefined) return pullOriginal(id); // which says what is wrong
  const weights = checkKept(parsed, wanted);
  const signal = checkSignal(rest.signal) ?? new AbortController().signal;
  const settings = await settingsOf(parsed, { ...hubOptions(rest), fetch: rest.fetch });
  const { store, revision, connection } = settings;
  const { repository } = parsed;
  const converted = convertedName(repository, weights);
  const kept = async (): Promise<Pulled> => pulledFrom(store, converted, await findConverted(parsed, weights, settings));
  if (settings.offline) return kept();

  const commit = isCommit(revision) ? revision : await commitOf(connection, repository, revision, signal);
  const found = await findConverted(parsed, weights, { ...settings, revision: commit }).catch(() => undefined);
  if (found === undefined) {
    const before = (await store.models()).find((model) => model.repository === repository)?.commits.some((one) => one.commit === commit) === true;
    await pullModel(parsed, { ...settings, revision: commit }, { signal, onProgress: rest.onProgress });
    const make = (): AsyncGenerator<ConvertedFile, void, undefined> => convertFiles(repository, { ...hubOptions(rest), keep: undefined, revision: commit, offline: true, weights, signal });
    const origin = new TextEncoder().encode(`${JSON.stringify({ source: repository, commit, endpoint: connection.endpoint, weights }, null, 2)}\n`);
    await write(store, converted, commit, async function* () {
      yield { name: ORIGIN, size: origin.length, data: () => [origin] };
      yield* make();
    });
    if (!before) await store.remove(repository, commit);
  }
  if (!isCommit(revision)) await store.setReference(converted, revision, commit);
  return kept();
}

/** Writes files into the store. They are made twice: the first time for their digests, by which a store knows them. */
async function write(store: Store, repository: string, commit: string, make: () => AsyncGenerator<ConvertedFile>): Promise<void> {
  const files = new Map<string, HubFile>();
  for await (const { name, data } of make()) {
    const hasher = hasherOf({ path: name, size: 0, digest: { kind: "sha256", hex: "" } });
    let size = 0;
    for await (const bytes of data()) {
      hasher.update(bytes);
      size += bytes.length;
    }
    files.set(name, { path: name, size, digest: { kind: "sha256", hex: hasher.digest() } });
  }
  await store.setListing(repository, commit, files);
  for await (const { name, data } of make()) {
    const file = files.get(name)!;
    await store.lock(repository, file, async (lost) => {
      if (await store.hasBlob(repository, file)) return;
      let partial = await store.partial(repository, file);
      if (partial.ranges.length > 0) {
        await partial.discard();
        partial = await store.partial(repository, file);
      }
      await fill(partial, file, data, lost);
    }, {});
    await store.link(repository, commit, file);
  }
}

async function fill(partial: PartialBlob, file: HubFile, data: ConvertedFile["data"], lost: AbortSignal): Promise<void> {
  try {
    const hasher = hasherOf(file);
    let at = 0;
    for await (const bytes of data()) {
      lost.throwIfAborted();
      hasher.update(bytes);
      await partial.write(at, bytes);
      at += bytes.length;
    }
    if (hasher.digest() === file.digest.hex) return await partial.commit();
    await partial.discard();
    throw new KvasmError("source", `source: ${JSON.stringify(file.path)}: was different when it was converted a second time. If the original has changed meanwhile, pull it again.`, { argument: "source", value: file.path });
  } finally {
    await partial.close();
  }
}
