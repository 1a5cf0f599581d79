/** A model of a hub as a source of `load`. */
import { KvasmError, shown } from "../errors.ts";
import type { ModelFiles } from "../files/files.ts";
import { checkKept, convertedName, findConverted } from "./converted.ts";
import { parseId } from "./id.ts";
import { pullModel } from "./pull.ts";
import { settingsOf } from "./settings.ts";
import type { HubCall } from "./settings.ts";

const FORMS = 'the name of a model on a hub ("owner/name"), a path that begins with "./", "../", "/" or a drive letter, a file: or http(s): URL, the bytes of the files, or nothing for the model that ships with kvasm';

/** @throws KvasmError `value` for what is no id; as pullModel */
export async function hubFiles(source: string, call: HubCall & { weights?: unknown }): Promise<ModelFiles> {
  const id = parseId(source);
  if (id === undefined) {
    const tilde = source.startsWith("~") ? ' "~" is expanded by shells only.' : "";
    throw new KvasmError("value", `source: expected ${FORMS}; got ${shown(source)}.${tilde}`, { argument: "source", value: source });
  }
  const settings = await settingsOf(id, call);
  const kept = call.keep === "converted" ? checkKept(id, call.weights) : undefined;
  const { commit, files, notes } = kept === undefined ? await pullModel(id, settings, call) : await findConverted(id, kept, settings);
  const repository = kept === undefined ? id.repository : convertedName(id.repository, kept);
  const there = new Set(files);
  return {
    description: `${repository} (${settings.revision}, commit ${commit.slice(0, 12)})`,
    gguf: id.file,
    notes,
    open: async (name) => there.has(name) ? settings.store.open(repository, commit, name) : null,
  };
}
