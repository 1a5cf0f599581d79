/** A file's digest as a hub names it. In what browsers get, digest.browser.ts stands here. */
import { createHash } from "node:crypto";
import type { HubFile } from "./store.ts";

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Hexadecimal digits. */
  digest(): string;
}

export function hasherOf({ digest, size }: HubFile): Hasher {
  const hash = createHash(digest.kind === "sha256" ? "sha256" : "sha1");
  if (digest.kind === "git") hash.update(`blob ${size}\0`);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
}
