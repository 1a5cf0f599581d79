import { KvasmError, shown } from "../errors.ts";
import { pageAddress } from "../hosts/page.ts";

/** What is a path: it begins with ./ ../ / or a drive letter. */
export const PATH = /^(\.{1,2}([\\/]|$)|\/|[A-Za-z]:[\\/])/;

/** By shape, since instanceof fails between realms, and bundlers hand out objects of their own. */
export function isUrl(source: unknown): source is URL {
  return typeof source === "object" && source !== null && typeof (source as URL).href === "string" && typeof (source as URL).protocol === "string";
}

/** Some bundlers give an asset an address that begins at the page's root: that is resolved against the page. */
export function parseUrl(source: string): URL {
  try {
    return new URL(source, pageAddress());
  } catch (cause) {
    throw new KvasmError("value", `source: ${shown(source)} is no URL.`, { argument: "source", value: source, cause });
  }
}
