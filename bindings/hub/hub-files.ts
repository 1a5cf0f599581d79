/** A model of a hub as a source of `load`. */
import type { ModelFiles } from "../weights/files.ts";
import type { HubId } from "./id.ts";
import { pullModel } from "./pull.ts";
import { settingsOf } from "./settings.ts";
import type { HubCall } from "./settings.ts";

export async function hubFiles(id: HubId, call: HubCall): Promise<ModelFiles> {
  const settings = await settingsOf(id, call);
  const { commit, files, notes } = await pullModel(id, settings, call);
  const there = new Set(files);
  return {
    description: `${id.repository} (${settings.revision}, commit ${commit.slice(0, 12)})`,
    gguf: id.file,
    notes,
    open: async (name) => there.has(name) ? settings.store.open(id.repository, commit, name) : null,
  };
}
