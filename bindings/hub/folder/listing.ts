/** trees/COMMIT.json: what the hub lists for a commit, in the form in which Python's huggingface_hub keeps it. */
import type { HubFile, Listing } from "../store.ts";

interface Entry {
  readonly size: number;
  readonly blob_id: string;
  readonly lfs_sha256?: string;
  readonly lfs_size?: number;
  readonly xet_hash?: string;
}

export function writeListing(listing: Listing): string {
  const files = [...listing.values()].sort((a, b) => a.path < b.path ? -1 : 1).map(({ path, size, digest, blobId, xetHash }): [string, Entry] => [path, {
    size,
    blob_id: blobId ?? digest.hex,
    ...digest.kind === "sha256" && { lfs_sha256: digest.hex, lfs_size: size },
    ...xetHash !== undefined && { xet_hash: xetHash },
  }]);
  return JSON.stringify({ format_version: 1, files: Object.fromEntries(files) }, null, 1);
}

/** undefined: of another version, or damaged; it can be asked for again. */
export function readListing(text: string): Listing | undefined {
  try {
    const { format_version, files } = JSON.parse(text) as { format_version: unknown; files: Record<string, Entry> };
    if (format_version !== 1) return undefined;
    const listing = new Map<string, HubFile>();
    for (const [path, entry] of Object.entries(files)) {
      const isLarge = typeof entry.lfs_sha256 === "string";
      const [size, hex] = isLarge ? [entry.lfs_size ?? entry.size, entry.lfs_sha256!] : [entry.size, entry.blob_id];
      if (!Number.isSafeInteger(size) || size < 0 || !(isLarge ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hex)) return undefined;
      listing.set(path, { path, size, digest: { kind: isLarge ? "sha256" : "git", hex }, blobId: entry.blob_id, xetHash: entry.xet_hash });
    }
    return listing;
  } catch {
    return undefined;
  }
}
