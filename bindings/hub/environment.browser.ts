/** A page has no environment, and what stores files there is another file's. */
import type { Environment } from "./environment.ts";
import { KvasmError } from "../errors.ts";

export function environment(): Environment {
  return {
    endpoint: undefined,
    offline: false,
    token: async () => undefined,
    store: async () => {
      throw new KvasmError("unsupported", "source: loading by a hub's id comes to browsers in a later version. Pass the URL of the model's files (https://huggingface.co/OWNER/NAME/resolve/main/).", { argument: "source" });
    },
  };
}
