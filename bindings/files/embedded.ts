/** The model that ships with the package. In what bundlers get for browsers, embedded.browser.ts stands here. */
import { KvasmError } from "../errors.ts";
import { lazily } from "../hosts/lazily.ts";
import type { ModelBytes } from "./files.ts";

export async function embeddedModel(): Promise<ModelBytes> {
  if (typeof import.meta.url !== "string") {
    throw new KvasmError("unsupported", 'source: this host gives modules no address, so the files of the model that ships with kvasm cannot be found. Pass its files: load({ "config.json": …, "model.safetensors": … }), or a URL or path of a copy of models/stories.', { argument: "source" });
  }
  return (await lazily(() => import("../entries/stories.ts"))).default;
}
