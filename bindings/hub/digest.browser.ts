/** Web Cryptography has no digest of what comes piece by piece. */
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { Hasher } from "./digest.ts";
import type { HubFile } from "./store.ts";

export function hasherOf({ digest, size }: HubFile): Hasher {
  const hash = digest.kind === "sha256" ? sha256.create() : sha1.create();
  if (digest.kind === "git") hash.update(new TextEncoder().encode(`blob ${size}\0`));
  return { update: (bytes) => void hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}
