/** Which files of a repository a model is. */
import { KvasmError, shown } from "../errors.ts";
import { INDEX_NAME, TORCH_INDEX_NAME, parseIndex } from "../weights/shards.ts";
import type { HubId } from "./id.ts";
import type { HubFile, Listing } from "./store.ts";

/** With either of these the model has a tokenizer of its own; else files of a kind that kvasm does not read tell that it has another. */
const SLOW = ["vocab.json", "merges.txt"];
const BESIDE_SLOW = ["tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"];
const OTHERS = ["vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"];

/** Weights, in the order in which the reader looks for them. */
export const WEIGHTS = ["model.safetensors", INDEX_NAME, "model.safetensors.gz", "pytorch_model.bin", TORCH_INDEX_NAME];

export function isIndex(path: string): boolean {
  return path === INDEX_NAME || path === TORCH_INDEX_NAME;
}

export interface Choice {
  readonly files: readonly HubFile[];
  /** One of `files` that says which further ones there are. */
  readonly index: HubFile | undefined;
}

/** @throws KvasmError `absent` */
export function choose({ repository, file }: HubId, listing: Listing): Choice {
  if (file !== undefined) {
    const found = listing.get(file);
    if (found !== undefined) return { files: [found], index: undefined };
    const others = [...listing.keys()].filter((path) => /\.gguf$/i.test(path));
    throw new KvasmError("absent", `source: ${shown(repository)} has no file ${shown(file)}.${others.length === 0 ? "" : ` It has ${named(others)}.`}`, { argument: "source", value: file });
  }
  const present = (names: readonly string[]): HubFile[] => names.flatMap((name) => listing.get(name) ?? []);
  const tokenizer = listing.has("tokenizer.json") ? ["tokenizer.json"] : SLOW.every((name) => listing.has(name)) ? [...SLOW, ...BESIDE_SLOW] : [...SLOW, ...OTHERS];
  const weights = weightsOf(repository, listing);
  return {
    files: [...present(["config.json", "generation_config.json", ...tokenizer]), weights],
    index: isIndex(weights.path) ? weights : undefined,
  };
}

function weightsOf(repository: string, listing: Listing): HubFile {
  const found = WEIGHTS.map((name) => listing.get(name)).find((file) => file !== undefined);
  if (!listing.has("config.json") || found === undefined) {
    const name = shown(repository);
    const ggufs = [...listing.keys()].filter((path) => /\.gguf$/i.test(path));
    if (ggufs.length > 0) throw new KvasmError("absent", `source: ${name} has GGUF files. Pass one of them: ${named(ggufs.map((path) => `${repository}/${path}`))}.`, { argument: "source", value: repository });
    if (!listing.has("config.json")) throw new KvasmError("absent", `source: ${name} has no config.json, so it is no model that can be loaded.`, { argument: "source", value: repository });
    throw new KvasmError("absent", `source: ${name} has config.json and no weights (${WEIGHTS[0]} or ${WEIGHTS[3]}).`, { argument: "source", value: repository });
  }
  return found;
}

/** The files that an index names. @throws KvasmError `weights`, `absent` */
export function shardsOf(text: string, index: string, listing: Listing): HubFile[] {
  return parseIndex(text, index).shards.map((name) => {
    const file = listing.get(name);
    if (file === undefined) throw new KvasmError("absent", `source: ${index} names ${shown(name)}, which the repository does not have.`, { argument: "source", value: name });
    return file;
  });
}

function named(names: readonly string[]): string {
  return names.slice(0, 4).map(shown).join(", ") + (names.length > 4 ? ", …" : "");
}
