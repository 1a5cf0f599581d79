import { KvasmError } from "../errors.ts";
import type { ModelBytes } from "./files.ts";

/** A bundler would copy its 7 MB for every application, also for those that load another model: they name it if they want it. */
export async function embeddedModel(): Promise<ModelBytes> {
  throw new KvasmError("unsupported", 'source: the model that ships with kvasm is left out of bundles unless it is named. Name it: import stories from "kvasm/stories"; load(stories).', { argument: "source" });
}
