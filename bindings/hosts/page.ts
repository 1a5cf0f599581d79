/**
 * The address against which a page, or a worker of one, resolves what is relative; undefined where there is none, and where there are
 * files (Deno has a `location` if it is told one).
 */
export function pageAddress(): string | undefined {
  const { document, location, process } = globalThis as { document?: { baseURI?: string }; location?: { href?: string }; process?: { versions?: { node?: string } } };
  if (process?.versions?.node !== undefined) return undefined;
  const address = document?.baseURI ?? location?.href;
  return address !== undefined && /^(https?|blob):/.test(address) ? address.replace(/^blob:/, "") : undefined;
}
