/** What a caller writes as a model's name, and what a hub may say of one. */
import { KvasmError, shown } from "../errors.ts";

export interface HubId {
  /** "owner/name", or a name without an owner, as the oldest models have it. */
  readonly repository: string;
  /** A file in it that is the model. */
  readonly file: string | undefined;
  /** What follows an "@": a branch, a tag or a commit. */
  readonly revision: string | undefined;
}

const NAME = /^[A-Za-z0-9_][\w.-]{0,95}$/;
const REVISION = /^[\w][\w./-]{0,254}$/;

/** undefined: it is no id. */
export function parseId(text: string): HubId | undefined {
  const [, path, revision] = /^([^@]*)(?:@(.*))?$/s.exec(text)!;
  const parts = path.split("/");
  const file = parts.length > 2 && /\.gguf$/i.test(path) ? parts.slice(2).join("/") : undefined;
  const names = file === undefined ? parts : parts.slice(0, 2);
  if (names.length > 2 || !names.every((name) => NAME.test(name) && !/--|\.\.|[.-]$|\.git$/.test(name))) return undefined;
  if (file !== undefined && !isSafePath(file)) return undefined;
  if (revision !== undefined && !isRevision(revision)) return undefined;
  return { repository: names.join("/"), file, revision };
}

/** @throws KvasmError `value`, `type` */
export function checkRepository(argument: string, id: unknown): string {
  if (typeof id !== "string") throw new KvasmError("type", `${argument}: expected the name of a model on a hub, got ${shown(id)}.`, { argument, value: id });
  const parsed = parseId(id);
  if (parsed === undefined || parsed.file !== undefined || parsed.revision !== undefined) {
    throw new KvasmError("value", `${argument}: expected the name of a model on a hub, such as "openai-community/gpt2"; got ${shown(id)}.`, { argument, value: id });
  }
  return parsed.repository;
}

/** A branch, a tag or a commit; it also becomes part of a path. */
export function checkRevision(revision: unknown): string {
  if (typeof revision !== "string") throw new KvasmError("type", `revision: expected a branch, a tag or a commit, got ${shown(revision)}.`, { argument: "revision", value: revision });
  if (isRevision(revision)) return revision;
  throw new KvasmError("value", `revision: expected a branch, a tag or a commit, such as "main" or 40 hexadecimal digits; got ${shown(revision)}.`, { argument: "revision", value: revision });
}

function isRevision(text: string): boolean {
  return REVISION.test(text) && isSafePath(text);
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** A path that stays within its folder on every system. */
export function isSafePath(path: string): boolean {
  return path.length <= 500 && path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/[\\:\0]/.test(part));
}
