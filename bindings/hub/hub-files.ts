/** A model of a hub as a source of `load`. */
import { KvasmError, shown } from "../errors.ts";
import type { ModelFiles } from "../files/files.ts";
import { parseId } from "./id.ts";
import { pullModel } from "./pull.ts";
import { settingsOf } from "./settings.ts";
import type { HubCall } from "./settings.ts";

const FORMS = 'the name of a model on a hub ("owner/name"), a path that begins with "./", "../", "/" or a drive letter, a file: or http(s): URL, the bytes of the files, or nothing for the model that ships with kvasm';

/** @throws KvasmError `value` for what is no id; as pullModel */
export async function hubFiles(source: string, call: HubCall): Promise<ModelFiles> {
  const id = parseId(source);
  if (id === undefined) {
    const tilde = source.startsWith("~") ? ' "~" is expanded by shells only.' : "";
    throw new KvasmError("value", `source: expected ${FORMS}; got ${shown(source)}.${tilde}`, { argument: "source", value: source });
  }
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
