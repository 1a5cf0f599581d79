/**
 * A lock between processes: a file that only one can create, which its holder touches every second. Whoever waits watches it: if its
 * holder's process is gone, or its time of change stood still for a while (by the waiter's own clock, since machines' clocks differ), the lock
 * is taken over. A holder that finds another's name in the file has lost it.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { pause } from "../timing.ts";
import { ifThere, onDisk } from "./files.ts";

/** Milliseconds. */
export interface LockTimes {
  readonly beat: number;
  /** Without a beat for so long, the holder is taken for dead. */
  readonly stale: number;
  readonly poll: number;
}

export const LOCK_TIMES: LockTimes = { beat: 1000, stale: 10_000, poll: 150 };

interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
}

export interface HeldLock {
  /** Aborts when another has taken the lock over. */
  readonly lost: AbortSignal;
  /** The holder before may be alive yet, and write. */
  readonly isTakenFromLiving: boolean;
  release(): Promise<void>;
}

export async function takeLock(path: string, signal: AbortSignal | undefined, waiting: () => void | Promise<void>, times = LOCK_TIMES): Promise<HeldLock> {
  await onDisk(path, mkdir(dirname(path), { recursive: true }));
  const own: Holder = { token: randomUUID(), pid: process.pid, host: host() };
  let isTakenFromLiving = false;
  let seen: { token: string; changed: number; since: number } | undefined;
  for (;;) {
    signal?.throwIfAborted();
    if (await create(path, own)) return hold(path, own, times, isTakenFromLiving);
    const [text, stats] = await Promise.all([ifThere(path, readFile(path, "utf8")), ifThere(path, stat(path))]);
    if (text === undefined || stats === undefined) continue; // released just now
    const holder = parse(text);
    const now = performance.now();
    if (seen === undefined || seen.token !== text || seen.changed !== stats.mtimeMs) seen = { token: text, changed: stats.mtimeMs, since: now };
    const isDead = holder !== undefined && holder.host === own.host && own.host !== "" && holder.pid !== own.pid && isGone(holder.pid);
    if (isDead || now - seen.since > times.stale) {
      if (await takeAway(path, text)) isTakenFromLiving ||= !isDead;
      continue;
    }
    await waiting();
    await pause(times.poll, signal);
  }
}

/** False if there is one. */
async function create(path: string, own: Holder): Promise<boolean> {
  const temporary = `${path}.${own.token.slice(0, 8)}`;
  // Written first and then given its name, so that nobody reads half of it.
  const file = await onDisk(path, open(temporary, "w"));
  try {
    await file.writeFile(JSON.stringify(own));
    await file.close();
    return await onDisk(path, exclusively(temporary, path));
  } finally {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
  }
}

async function exclusively(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (code === "ENOENT") throw error;
  }
  // A file system without links.
  try {
    const file = await open(path, "wx");
    await file.writeFile(await readFile(temporary));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes the lock that was judged, and not one that came into its place meanwhile. */
async function takeAway(path: string, judged: string): Promise<boolean> {
  const aside = `${path}.${randomUUID().slice(0, 8)}`;
  if (await ifThere(path, rename(path, aside).then(() => true)) === undefined) return false;
  const text = await ifThere(aside, readFile(aside, "utf8"));
  if (text !== judged) await exclusively(aside, path).catch(() => {});
  await rm(aside, { force: true });
  return text === judged;
}

function hold(path: string, own: Holder, { beat }: LockTimes, isTakenFromLiving: boolean): HeldLock {
  const lost = new AbortController();
  const isOwn = async (): Promise<boolean> => parse(await readFile(path, "utf8").catch(() => ""))?.token === own.token;
  const timer = setInterval(async () => {
    if (!await isOwn()) {
      // Others may have moved it away for a moment.
      await pause(50, undefined);
      if (!await isOwn()) return lost.abort(new Error("another process has taken the lock over"));
    }
    const now = new Date();
    await utimes(path, now, now).catch(() => {});
  }, beat);
  return {
    lost: lost.signal,
    isTakenFromLiving,
    async release() {
      clearInterval(timer);
      if (!lost.signal.aborted && await isOwn()) await rm(path, { force: true });
    },
  };
}

function parse(text: string): Holder | undefined {
  try {
    const { token, pid, host } = JSON.parse(text) as Holder;
    return typeof token === "string" && Number.isInteger(pid) && typeof host === "string" ? { token, pid, host } : undefined;
  } catch {
    return undefined;
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function host(): string {
  try {
    return hostname();
  } catch {
    return ""; // Deno asks for a permission
  }
}
