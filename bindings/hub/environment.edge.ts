/** An edge runtime keeps nothing from one request to the next. */
import { KvasmError } from "../errors.ts";
import type { Environment } from "./environment.ts";

export function environment(): Environment {
  return {
    endpoint: undefined,
    offline: false,
    token: async () => undefined,
    store: async () => {
      throw new KvasmError("unsupported", "source: an edge runtime keeps no files, so models are not loaded by a hub's id there. Pass the URL of the model's files (https://huggingface.co/OWNER/NAME/resolve/main/), or their bytes.", { argument: "source" });
    },
  };
}
