/** What the cache folder holds: listed, measured, removed. */
import { lstat, readdir, readlink, rm, stat } from "node:fs/promises";
import type { Stats } from "node:fs";
import { basename, join } from "node:path";
import type { Digest, Listing, StoredCommit, StoredFile, StoredModel } from "../store.ts";
import { ifThere, onDisk, readText } from "./files.ts";
import { INCOMPLETE, RANGES, blobPath, digestOf, repositoryFolder, repositoryOf } from "./layout.ts";
import { readListing } from "./listing.ts";

export async function storedModels(root: string): Promise<StoredModel[]> {
  const models: StoredModel[] = [];
  for (const name of (await names(root)).sort()) {
    const repository = repositoryOf(name);
    if (repository !== undefined && (await ifThere(root, lstat(join(root, name))))?.isDirectory()) models.push(await storedModel(join(root, name), repository));
  }
  return models;
}

async function storedModel(folder: string, repository: string): Promise<StoredModel> {
  let [bytes, unfinishedBytes, lastUsed] = [0, 0, 0];
  const count = (stats: Stats): void => {
    bytes += stats.size;
    lastUsed = Math.max(lastUsed, stats.atimeMs, stats.mtimeMs);
  };
  for (const name of await names(join(folder, "blobs"))) {
    const stats = await ifThere(folder, lstat(join(folder, "blobs", name)));
    if (stats === undefined) continue;
    // A file with gaps is longer than what it takes.
    const size = name.endsWith(INCOMPLETE) && stats.blocks > 0 ? Math.min(stats.size, stats.blocks * 512) : stats.size;
    count({ ...stats, size } as Stats);
    if (/\.(incomplete|kvasm\.ranges)$/.test(name)) unfinishedBytes += size;
  }
  const references = await referencesOf(folder);
  const commits: StoredCommit[] = [];
  for (const commit of (await names(join(folder, "snapshots"))).sort()) {
    const files = await storedFiles(folder, commit);
    for (const { stats, isLink } of files) if (!isLink && stats.nlink === 1) count(stats);
    commits.push({ commit, references: [...references].filter(([, one]) => one === commit).map(([name]) => name).sort(), files: files.map(({ file }) => file) });
  }
  return { repository, bytes, unfinishedBytes, commits, lastUsed };
}

interface Found {
  readonly file: StoredFile;
  readonly stats: Stats;
  /** It is a link to a blob, not a file of its own. */
  readonly isLink: boolean;
}

async function storedFiles(folder: string, commit: string): Promise<Found[]> {
  const snapshot = join(folder, "snapshots", commit);
  const text = await readText(join(folder, "trees", `${commit}.json`));
  const listing = text === undefined ? undefined : readListing(text);
  const found: Found[] = [];
  for (const path of (await filesUnder(snapshot)).sort()) {
    const location = join(snapshot, path);
    const [stats, itself] = await Promise.all([ifThere(location, stat(location)), ifThere(location, lstat(location))]);
    if (stats === undefined || itself === undefined) continue; // its blob is gone
    const isLink = itself.isSymbolicLink();
    const digest = await digestOfFile(location, isLink, listing, path);
    if (digest !== undefined) found.push({ file: { path, size: stats.size, digest, location }, stats, isLink });
  }
  return found;
}

/** As the name of its blob has it, or else as the hub listed it. */
async function digestOfFile(location: string, isLink: boolean, listing: Listing | undefined, path: string): Promise<Digest | undefined> {
  const target = isLink ? await ifThere(location, readlink(location)) : undefined;
  return (target === undefined ? undefined : digestOf(basename(target))) ?? listing?.get(path)?.digest;
}

/** Paths relative to it, with "/". */
async function filesUnder(folder: string): Promise<string[]> {
  const entries = await ifThere(folder, readdir(folder, { withFileTypes: true })) ?? [];
  const nested = await Promise.all(entries.map(async (entry) => {
    return entry.isDirectory() ? (await filesUnder(join(folder, entry.name))).map((path) => `${entry.name}/${path}`) : entry.name.endsWith(".tmp") ? [] : [entry.name];
  }));
  return nested.flat();
}

/** Branch or tag → commit. */
async function referencesOf(folder: string): Promise<Map<string, string>> {
  const references = new Map<string, string>();
  for (const name of await filesUnder(join(folder, "refs"))) references.set(name, (await readText(join(folder, "refs", name)) ?? "").trim());
  return references;
}

async function names(folder: string): Promise<string[]> {
  return await ifThere(folder, readdir(folder)) ?? [];
}

/** Bytes freed. */
export async function removeStored(root: string, repository: string, commit: string | undefined): Promise<number> {
  const folder = repositoryFolder(root, repository);
  if (await ifThere(folder, lstat(folder)) === undefined) return 0;
  const before = (await storedModel(folder, repository)).bytes;
  if (commit === undefined) {
    await drop(folder);
    await drop(join(root, ".locks", basename(folder)));
    return before;
  }
  for (const [name, one] of await referencesOf(folder)) if (one === commit) await drop(join(folder, "refs", name));
  // First the names, then what they name: what is left half removed is incomplete and not wrong.
  for (const kind of ["snapshots", ".no_exist"]) await drop(join(folder, kind, commit));
  await drop(join(folder, "trees", `${commit}.json`));
  const rest = await storedModel(folder, repository);
  if (rest.commits.length === 0) {
    await drop(folder);
    return before;
  }
  const needed = new Set(rest.commits.flatMap(({ files }) => files.map(({ digest }) => digest.hex)));
  for (const name of await names(join(folder, "blobs"))) {
    if (digestOf(name) !== undefined && !needed.has(name)) await drop(join(folder, "blobs", name));
  }
  return before - (await storedModel(folder, repository)).bytes;
}

export async function removeBlobFiles(folder: string, digest: Digest): Promise<void> {
  for (const commit of await names(join(folder, "snapshots"))) {
    for (const { file } of await storedFiles(folder, commit)) if (file.digest.hex === digest.hex) await drop(file.location!);
  }
  for (const end of ["", INCOMPLETE, RANGES]) await drop(blobPath(folder, digest) + end);
}

async function drop(path: string): Promise<void> {
  await onDisk(path, rm(path, { recursive: true, force: true }));
}
