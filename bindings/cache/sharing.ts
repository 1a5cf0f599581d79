/** Sequences that begin with a known prefix. */
import { KvasmError, checkBoolean, shown } from "../errors.ts";
import type { Arena } from "../model/arena.ts";
import type { Lifetime } from "../model/lifetime.ts";
import { Slot } from "../model/slot.ts";
import { openSharing } from "./prefixes.ts";
import type { Prefix, Salt } from "./prefixes.ts";

export interface PrefixOptions {
  /**
   * Reuse the pages of an earlier sequence that began with the same tokens instead of computing them again, and keep this sequence's pages
   * for later ones. The bits are the same. Default true.
   */
  prefixCache?: boolean | undefined;
  /**
   * Share pages only with sequences of the same salt, so that a caller cannot learn from the time an answer takes what others have asked.
   * Default: none; sequences without a salt share among themselves.
   */
  cacheSalt?: string | undefined;
}

export const PREFIX_KEYS = ["prefixCache", "cacheSalt"] as const;

/** With whom to share; null: with nobody. */
export type Sharing = { readonly salt: Salt } | null;

/** @throws KvasmError `type` */
export function checkPrefixOptions({ prefixCache = true, cacheSalt }: PrefixOptions): Sharing {
  checkBoolean("prefixCache", prefixCache);
  if (cacheSalt !== undefined && typeof cacheSalt !== "string") {
    throw new KvasmError("type", `cacheSalt: expected a string, got ${shown(cacheSalt)}.`, { argument: "cacheSalt", value: cacheSalt });
  }
  return prefixCache ? { salt: cacheSalt } : null;
}

/** A slot for `ids` with as many of the first ones as are known, the last one never: the logits behind it are asked for. */
export function openPrefixed(model: Lifetime<Arena>, ids: Uint32Array, sharing: Sharing): Slot {
  if (sharing === null) return new Slot(model);
  const arena = model.value;
  const open = (prefix: Prefix): Slot => new Slot(model, prefix.length === 0 ? arena.open() : openSharing(arena, ids, prefix), sharing);
  const found = arena.prefixes.find(sharing.salt, ids, ids.length - 1);
  const slot = open(found);
  const beyond = found.length % arena.pageTokens;
  if (beyond === 0 || slot.hasRoom(ids.length - found.length)) return slot;
  // A page that is shared in part has to be copied: where there is none for the copy, it is better given up.
  slot.close();
  return open({ pages: found.pages.slice(0, -1), length: found.length - beyond });
}
