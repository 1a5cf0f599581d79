import { models, prune, pull as pullModel, remove, storage, verify } from "../entries/hub.ts";
import { notes, progress } from "./progress.ts";
import { bytes, stopping, table, write, writeJson } from "./terminal.ts";

/** Where a model comes from, for commands that take one by its name. */
export interface HubFlags {
  revision?: string;
  offline?: true;
  cacheDir?: string;
  endpoint?: string;
}

interface StoreFlags {
  cacheDir?: string;
  json?: true;
}

const DAY = 24 * 60 * 60 * 1000;

/** `kvasm pull`: downloads a model. */
export async function pull(id: string, flags: HubFlags & { json?: true; keep?: "original" | "q8" | "q4" }): Promise<number> {
  const signal = stopping();
  const bar = await progress("downloading");
  try {
    const { revision, offline, cacheDir, endpoint } = flags;
    const kept = flags.keep === "q8" || flags.keep === "q4" ? { keep: "converted", weights: flags.keep } as const : {};
    const pulled = await pullModel(id, { revision, offline, cacheDir, endpoint, signal, onProgress: bar.update, ...kept });
    bar.stop();
    if (flags.json) await writeJson(pulled, signal);
    else await write(table(pulled.files.map(({ path, size }) => [path, bytes(size)])) + `${pulled.repository}, commit ${pulled.commit}: ${bytes(pulled.bytes)}\n` + notes(pulled.notes), signal);
    return 0;
  } finally {
    bar.stop();
  }
}

/** `kvasm models list`. */
export async function list({ cacheDir, json }: StoreFlags): Promise<number> {
  const signal = stopping();
  const [stored, room] = await Promise.all([models({ cacheDir }), storage({ cacheDir })]);
  if (json) {
    await writeJson({ ...room, models: stored }, signal);
    return 0;
  }
  const rows = stored.map(({ repository, bytes: size, unfinishedBytes, commits, lastUsed }) => [
    repository, bytes(size), unfinishedBytes > 0 ? `${bytes(unfinishedBytes)} unfinished` : "",
    commits.map(({ commit, references }) => references.length > 0 ? references.join(", ") : commit.slice(0, 12)).join(", "),
    lastUsed > 0 ? new Date(lastUsed).toISOString().slice(0, 10) : "",
  ]);
  const free = room.free === undefined ? "" : `, ${bytes(room.free)} free`;
  await write((rows.length === 0 ? "" : table([["model", "size", "", "revisions", "last used"], ...rows])) + `${room.description}: ${bytes(room.bytes)}${free}\n`, signal);
  return 0;
}

/** `kvasm models remove`. */
export async function removeModel(repository: string, { cacheDir, json, revision }: StoreFlags & { revision?: string }): Promise<number> {
  const signal = stopping();
  const freed = await remove(repository, { cacheDir, revision });
  await (json ? writeJson({ repository, revision, bytes: freed }, signal) : write(`${repository}: ${bytes(freed)} freed\n`, signal));
  return 0;
}

/** `kvasm models verify`: exit code 1 if a file is damaged. */
export async function verifyModels(repository: string | undefined, { cacheDir, json, repair }: StoreFlags & { repair?: true }): Promise<number> {
  const signal = stopping();
  const files = await verify(repository, { cacheDir, repair: repair ?? false, signal });
  const damaged = files.filter(({ isWhole }) => !isWhole);
  if (json) await writeJson(files, signal);
  else {
    const cure = repair ? "Removed: it is downloaded again when it is wanted." : "Remove it by kvasm models verify --repair.";
    await write(damaged.map((file) => `${file.repository}/${file.path} (${file.commit.slice(0, 12)}): its bytes are not those of its digest. ${cure}\n`).join("") + `${files.length} files compared, ${damaged.length} damaged\n`, signal);
  }
  return damaged.length > 0 ? 1 : 0;
}

/** `kvasm models prune`. */
export async function pruneModels({ cacheDir, json, olderThan, largerThan, unreferenced, dryRun }: StoreFlags & { olderThan?: number; largerThan?: number; unreferenced?: true; dryRun?: true }): Promise<number> {
  const signal = stopping();
  const pruned = await prune({ cacheDir, olderThan: olderThan === undefined ? undefined : olderThan * DAY, largerThan, unreferenced, dryRun });
  const freed = pruned.reduce((sum, { bytes }) => sum + bytes, 0);
  if (json) await writeJson({ pruned, bytes: freed, dryRun: dryRun ?? false }, signal);
  else await write(table([...pruned.map(({ repository, commit, bytes: size }) => [commit === undefined ? repository : `${repository} ${commit.slice(0, 12)}`, bytes(size)]), [dryRun ? "would be freed" : "freed", bytes(freed)]]), signal);
  return 0;
}
