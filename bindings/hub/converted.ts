/** A model that is kept as kvasm's own integers instead of its original: a repository of its own in the store, beside the others. */
import { KvasmError, shown } from "../errors.ts";
import type { HubId } from "./id.ts";
import { findOffline } from "./offline.ts";
import type { Found } from "./pull.ts";
import type { Settings } from "./settings.ts";

export type KeptWeights = "q8" | "q4";

/** The name by which the store has it, which no hub gives. */
export function convertedName(repository: string, weights: KeptWeights): string {
  return `${repository}.kvasm-${weights}`;
}

/** @throws KvasmError `value`, `option` */
export function checkKept(id: HubId, weights: unknown): KeptWeights {
  if (id.file !== undefined) throw new KvasmError("option", `keep: a GGUF file is kept as it is, got ${shown(`${id.repository}/${id.file}`)}. Leave it out.`, { argument: "keep" });
  if (weights === "q8" || weights === "q4") return weights;
  throw new KvasmError("value", `weights: expected "q8" or "q4" with keep: "converted", got ${shown(weights)}.`, { argument: "weights", value: weights });
}

/** What `pull` has kept so. No request is made. @throws KvasmError `absent` */
export async function findConverted(id: HubId, weights: KeptWeights, settings: Settings): Promise<Found> {
  try {
    return await findOffline({ ...id, repository: convertedName(id.repository, weights) }, settings);
  } catch (cause) {
    throw new KvasmError("absent", `keep: ${shown(id.repository)}, revision ${shown(settings.revision)}, is not kept as ${weights} in ${settings.store.description}. Make it: kvasm pull ${id.repository} --keep ${weights}.`, { argument: "keep", value: id.repository, cause });
  }
}
