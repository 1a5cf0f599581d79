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
  const page = pageAddress();
  try {
    return new URL(source, page);
  } catch (cause) {
    if (page === undefined && source.startsWith("/")) {
      throw new KvasmError("value", `source: ${shown(source)}, a bundler's address of a file, begins at the root of a page, and this is a server. Leave kvasm outside the server's bundle (in Next.js: serverExternalPackages: ["kvasm"]), or pass a URL or path of the model's folder.`, { argument: "source", value: source, cause });
    }
    throw new KvasmError("value", `source: ${shown(source)} is no URL.`, { argument: "source", value: source, cause });
  }
}
