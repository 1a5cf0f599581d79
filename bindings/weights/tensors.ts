import { KvasmError, shown } from "../errors.ts";
import { lazily } from "../hosts/lazily.ts";
import { Tensor } from "../wasm/exports.ts";
import type { ModelConfig } from "./config.ts";
import { SCALE_SUFFIX } from "./quantized-format.ts";
import { PREFIX, placeOf } from "./places.ts";
import type { KnownTensor } from "./places.ts";
import { TENSOR_KINDS, isMatrix, kindOf } from "./tensor-table.ts";

export const EMBEDDING = kindOf(Tensor.wte).name;
export const HEAD = kindOf(Tensor.head).name;

/** By name, after PREFIX; the head has none. In a layer: what follows `h.<layer>.`. */
const OUTER = new Map(TENSOR_KINDS.filter(({ inLayer, tensor }) => !inLayer && tensor !== Tensor.head).map((kind) => [kind.name, kind]));
const INNER = new Map(TENSOR_KINDS.filter(({ inLayer }) => inLayer).map((kind) => [kind.name, kind]));

/** Causal masks that old checkpoints store as if they were weights. */
const MASKS = ["attn.bias", "attn.masked_bias"];

/** The names of a checkpoint, sorted out. */
export interface Inventory {
  /** Of every name that is used, its place. */
  readonly known: ReadonlyMap<string, KnownTensor>;
  readonly headStored: boolean;
  /** Names of tensors that GPT-2 does not have, and that do not matter. */
  readonly foreign: readonly string[];
}

/**
 * Finds the place of each name. A tied model may be stored under the head's name alone, as safetensors' save_model does. Tensors that
 * GPT-2 does not have are passed over unless they would change what it computes; a quantised file has none.
 * @param isQuantized each matrix has a tensor of scales
 * @throws KvasmError `weights`
 */
export async function takeInventory(names: Iterable<string>, config: ModelConfig, file: string, isQuantized = false): Promise<Inventory> {
  const known = new Map<string, KnownTensor>();
  const taken = new Map<string, string>(); // bare name → name
  const foreign: string[] = [];
  let bare: string | undefined; // the first name of each kind, for the message
  let prefixed: string | undefined;

  for (const name of names) {
    const hasPrefix = name.startsWith(PREFIX);
    const short = bareOf(name);
    const isScale = isQuantized && short.endsWith(SCALE_SUFFIX);
    const bearer = isScale ? short.slice(0, -SCALE_SUFFIX.length) : short;
    const isHead = bearer === HEAD;
    const found = isHead
      ? (hasPrefix ? undefined : placeOf(kindOf(Tensor.head), name, 0, config))
      : locate(name, bearer, config, file);
    const place = isQuantized ? quantized(found, isScale) : found;
    if (place === undefined) {
      foreign.push(name);
      continue;
    }
    if (!isHead) {
      if (hasPrefix) prefixed ??= name;
      else bare ??= name;
    }
    if (place === null) continue;
    const twin = taken.get(short);
    if (twin !== undefined) fail(file, name, `${shown(twin)} and ${shown(name)} are the same tensor. Keep one of them`);
    taken.set(short, name);
    known.set(name, place);
  }

  const headStored = taken.has(HEAD);
  const isHeadOnly = headStored && config.tie_word_embeddings && !taken.has(EMBEDDING);
  if (isHeadOnly) {
    for (const suffix of ["", SCALE_SUFFIX]) {
      const name = taken.get(HEAD + suffix);
      if (name === undefined) continue;
      known.set(name, { ...known.get(name)!, tensor: Tensor.wte });
      taken.set(EMBEDDING + suffix, name);
    }
  }
  const rules = foreign.length > 0 ? await lazily(() => import("./foreign.ts")) : undefined;
  const refused = foreign.find((name) => rules!.whyNeeded(bareOf(name)) !== undefined) ?? (taken.size === 0 || isQuantized ? foreign[0] : undefined);
  if (refused !== undefined) failForeign(refused);
  if (bare !== undefined && prefixed !== undefined) {
    fail(file, bare, `some names begin with "transformer." (${shown(prefixed)}) and some do not (${shown(bare)}). Save the model anew, so that all of them or none do`);
  }
  for (const short of OUTER.keys()) need(short);
  for (let layer = 0; layer < config.n_layer; layer++) {
    for (const inner of INNER.keys()) need(`h.${layer}.${inner}`);
  }
  if (isQuantized) {
    for (const { name, matrix, scales } of [...known.values()]) {
      if (matrix === undefined) continue;
      const other = scales ? name.slice(0, -SCALE_SUFFIX.length) : name + SCALE_SUFFIX;
      if (!known.has(other)) fail(file, other, `${shown(other)} is missing; a quantised matrix needs its scales`);
    }
  }
  if (!config.tie_word_embeddings && !headStored) {
    fail(file, HEAD, `${HEAD} is missing, and config.json says that the head is not the embedding (tie_word_embeddings false)`);
  }
  return { known, headStored: headStored && !isHeadOnly, foreign };

  function failForeign(name: string): never {
    const more = foreign.length > 1 ? ` and ${foreign.length - 1} more` : "";
    fail(file, name, `${shown(name)}${more}: ${rules!.whyNeeded(bareOf(name)) ?? rules!.whatInstead(name) ?? "the model that config.json describes has no such tensor"}`);
  }

  function need(short: string): void {
    if (taken.has(short)) return;
    const name = prefixed === undefined ? short : PREFIX + short;
    const [, layers] = /^h\.(\d+)\./.exec(short) ?? [];
    const why = layers !== undefined ? ` (config.json says n_layer ${config.n_layer})` : short === EMBEDDING && headStored ? ` (${HEAD} is not the same: config.json says tie_word_embeddings false)` : "";
    const telling = foreign.find((one) => rules!.whatInstead(one) !== undefined);
    if (telling !== undefined) failForeign(telling);
    fail(file, name, `${shown(name)} is missing${why}. ${taken.size === 0 ? "The file has no tensor of a GPT-2" : `${taken.size} tensors of the model are there`}`);
  }
}

function bareOf(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

/** The place in a quantised file: matrices lie as [outputs][inputs], and only they have scales. */
function quantized(place: KnownTensor | null | undefined, scales: boolean): KnownTensor | null | undefined {
  if (place === null || place === undefined) return place;
  if (!isMatrix(place.tensor)) return scales ? undefined : place;
  const [first, second] = place.shape;
  const matrix = kindOf(place.tensor).isEmbedding ? { outputs: first, inputs: second } : { outputs: second, inputs: first };
  return { ...place, outputMajor: true, matrix, ...(scales && { scales }) };
}

/** null: of no use here; undefined: unknown. */
function locate(name: string, short: string, config: ModelConfig, file: string): KnownTensor | null | undefined {
  const outer = OUTER.get(short);
  if (outer !== undefined) return placeOf(outer, name, 0, config);
  const match = /^h\.(0|[1-9]\d{0,6})\.(.+)$/.exec(short);
  if (match === null) return undefined;
  const layer = Number(match[1]);
  const mask = MASKS.includes(match[2]);
  const inner = INNER.get(match[2]);
  if (!mask && inner === undefined) return undefined;
  if (layer >= config.n_layer) fail(file, name, `${shown(name)} is of layer ${layer}, and config.json says n_layer ${config.n_layer}`);
  return inner === undefined ? null : placeOf(inner, name, layer, config);
}

function fail(file: string, tensor: string, message: string): never {
  throw new KvasmError("weights", `${file}: ${message}.`, { argument: tensor, value: tensor });
}
