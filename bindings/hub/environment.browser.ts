/** A page has no environment; models are kept in what the browser has. */
import { KvasmError } from "../errors.ts";
import { browserStore } from "./browser/open.ts";
import type { Environment } from "./environment.ts";

export function environment(): Environment {
  return {
    endpoint: undefined,
    offline: false,
    token: async () => undefined,
    store: async (cacheDir) => {
      if (cacheDir !== undefined) throw new KvasmError("option", "cacheDir: a page has no folders; the browser keeps models for the page's origin. Leave it out.", { argument: "cacheDir", value: cacheDir });
      return browserStore();
    },
  };
}
