/** A model from what the store has, without a request. */
import { KvasmError, shown } from "../errors.ts";
import { readText } from "../files/bytes.ts";
import { GENERATION_NAME } from "../weights/generation-config.ts";
import { parseIndex } from "../weights/shards.ts";
import { WEIGHTS, choose, isIndex, shardsOf } from "./choose.ts";
import { isCommit } from "./id.ts";
import type { HubId } from "./id.ts";
import type { Found } from "./pull.ts";
import type { Settings } from "./settings.ts";
import type { HubFile, Listing, Store } from "./store.ts";

const MOST_INDEX_BYTES = 100_000_000;

/** @throws KvasmError `offline` */
export async function findOffline(id: HubId, { store, revision }: Settings): Promise<Found> {
  const { repository } = id;
  const commit = isCommit(revision) ? revision : await store.reference(repository, revision);
  if (commit === undefined) throw missing(id, revision, store, "is not there");
  const listing = await store.listing(repository, commit);
  const files = listing === undefined ? await unlisted(id, commit, store) : await listed(id, commit, listing, store);
  if (typeof files === "string") throw missing(id, revision, store, files);
  return { commit, listing, files, notes: [] };
}

function missing({ repository }: HubId, revision: string, { description }: Store, what: string): KvasmError {
  return new KvasmError("offline", `source: ${shown(repository)}, revision ${shown(revision)}, ${what} (${description}), and nothing is downloaded offline. Download it first: kvasm pull ${repository}.`, { argument: "source", value: repository });
}

/** The files; or what is missing. */
async function listed(id: HubId, commit: string, listing: Listing, store: Store): Promise<string[] | string> {
  const { repository } = id;
  const choice = choose(id, listing);
  const files: HubFile[] = [...choice.files];
  for (const file of files) {
    if (await store.has(repository, commit, file.path) !== true) return `was not downloaded to its end, ${shown(file.path)} is missing`;
    if (file === choice.index) files.push(...shardsOf(await textOf(store, repository, commit, file.path) ?? "", file.path, listing));
  }
  return files.map(({ path }) => path);
}

/**
 * As older versions of Hugging Face's tools leave it: files, and the names of those that they asked for in vain. Of others it is not known
 * whether the commit has them, and a tokenizer that is there and not used would make another model.
 */
async function unlisted({ repository, file }: HubId, commit: string, store: Store): Promise<string[] | string> {
  const has = (name: string): Promise<boolean | undefined> => store.has(repository, commit, name);
  const wanted = async (names: readonly string[]): Promise<string[]> => {
    const there = await Promise.all(names.map(has));
    return names.filter((_, index) => there[index] === true);
  };
  if (file !== undefined) return await has(file) === true ? [file] : `is there without ${shown(file)}`;
  const weights = (await wanted(WEIGHTS))[0] ?? WEIGHTS[0];
  const index = isIndex(weights) ? await textOf(store, repository, commit, weights) : null;
  const needed = ["config.json", weights, ...index === null ? [] : parseIndex(index, weights).shards];
  const there = await wanted(needed);
  const lacking = needed.find((name) => !there.includes(name));
  if (lacking !== undefined) return `is there without ${shown(lacking)}`;
  for (const name of ["tokenizer.json", GENERATION_NAME]) {
    if (await has(name) === undefined) return `is there without ${name}, and whether the model has one is not known`;
  }
  return [...needed, ...await wanted([GENERATION_NAME, "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"])];
}

async function textOf(store: Store, repository: string, commit: string, path: string): Promise<string | null> {
  return readText({ description: repository, open: (name) => store.open(repository, commit, name) }, path, MOST_INDEX_BYTES, undefined);
}
