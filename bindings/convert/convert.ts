import { KvasmError, checkInteger, checkOptions, shown } from "../errors.ts";
import { HUB_KEYS, hubOptions } from "../hub/keys.ts";
import type { HubOptions } from "../hub/settings.ts";
import { HeldWeights } from "../model/held-weights.ts";
import { checkFunction, loadWeights } from "../model/load.ts";
import { checkSignal, unlessAborted } from "../hosts/signal.ts";
import { END_OF_TEXT } from "../tokenizer/tokenizer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { vocabularyOf } from "../tokenizer/vocabulary.ts";
import { instantiate } from "../wasm/instantiate.ts";
import type { WasmSource } from "../wasm/instantiate.ts";
import { checkTypeName } from "../wasm/types.ts";
import { ByteReader } from "../files/bytes.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import type { ModelConfig } from "../weights/config.ts";
import { GENERATION_NAME } from "../weights/generation-config.ts";
import type { GgufType } from "./gguf/write.ts";
import { pythonJson } from "../files/json.ts";
import type { JsonObject } from "../files/json.ts";
import { quantizedMetadata } from "../weights/quantized.ts";
import { FORMAT } from "../weights/quantized-format.ts";
import type { Progress } from "../weights/types.ts";
import { resolveSource } from "../model/source.ts";
import type { ModelBytes } from "../files/files.ts";
import { safetensorsFiles } from "./safetensors.ts";
import type { OutFile } from "./safetensors.ts";
import { outTensors } from "./tensors.ts";
import type { FileWeights } from "./tensors.ts";

export type Format = "safetensors" | "gguf";

export interface ConvertFilesOptions extends HubOptions {
  /**
   * What the matrices become: "f32", "f16", or integers of 8 ("q8") or 4 bits ("q4") as load makes them. Positions, norms and biases
   * are written in F32, or in F16 where that has the same numbers.
   */
  weights: FileWeights;
  /**
   * "safetensors" (the default) or "gguf", one file with configuration and tokenizer in it. There q8 is Q8_0 and q4 is Q4_0.
   * q4 keeps the integers and scales of load's q4; q8 has one scale for every 32 inputs, as llama.cpp makes them.
   */
  format?: Format | undefined;
  /** Most bytes of a file of weights; one matrix may have more. Default: one file. */
  shardBytes?: number | undefined;
  /** As load takes it. */
  wasm?: WasmSource | Promise<WasmSource> | undefined;
  /** Used for http(s) sources instead of the global fetch. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Ends the conversion by throwing `signal.reason`. */
  signal?: AbortSignal | undefined;
  /** Called while weights come in. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** A file that `load` will want. */
export interface ConvertedFile {
  readonly name: string;
  /** Bytes; undefined where it is copied from a source that does not say. */
  readonly size: number | undefined;
  /** What of the model the file does not hold as it is; sentences. */
  readonly notes?: readonly string[] | undefined;
  /** Its bytes, once, before the next file is asked for; each piece is valid until the next. */
  data(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export const FILES_KEYS = ["weights", "format", "shardBytes", "wasm", "fetch", "signal", "onProgress", ...HUB_KEYS] as const;
const FILE_WEIGHTS: Record<FileWeights, true> = { f32: true, f16: true, q8: true, q4: true };
const FORMATS: Record<Format, true> = { safetensors: true, gguf: true };
const GGUF_TYPE = { f32: "F32", f16: "F16", q8: "Q8_0", q4: "Q4_0" } as const satisfies Record<FileWeights, GgufType>;

/** What a tokenizer is made of. */
const COPIED = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/**
 * A model's files anew, with its weights as another type: what `load` takes of `source` goes into memory as that type (f16: as f32),
 * and comes out output by output. The weights come first, config.json next, tokenizer files last.
 * @throws KvasmError as `load`; `value` for weights that binary16 cannot hold
 */
export async function* convertFiles(source: string | URL | ModelBytes | undefined, options: ConvertFilesOptions): AsyncGenerator<ConvertedFile, void, undefined> {
  const { weights, format, shardBytes, wasm, fetch, signal, onProgress } = checkConvertOptions(options);
  signal?.throwIfAborted();
  const files = await resolveSource(source, { fetch, signal, onProgress, hub: hubOptions(options) });
  const checkpoint = await openCheckpoint(files, { signal, onProgress });
  try {
    const { config } = checkpoint;
    const reader = await checkpoint.weights();
    const { exports } = await unlessAborted(instantiate(wasm, signal), signal);
    // Q8_0 has other scales than int8: it is made of what was there.
    const type = weights === "q4" || (weights === "q8" && format === "safetensors") ? weights : "f32";
    const loaded = await loadWeights(exports, reader, config, { weights: type, check: () => signal?.throwIfAborted() });
    const read = checkpoint.notes?.(type) ?? [];
    if (format === "gguf") {
      const { writeGguf } = await import("./gguf/write.ts");
      const { tokenizer, note } = await checkpoint.tokenizer();
      const { size, notes, chunks } = await writeGguf({ ...loaded, config, tokenizer }, GGUF_TYPE[weights]);
      yield abortable({ name: "model.gguf", size, data: chunks }, signal, [...read, ...notes, ...note === undefined ? [] : [note]]);
      return;
    }
    const held = new HeldWeights(loaded);
    checkRows(config, held.mostElements);
    const metadata = weights === "q8" || weights === "q4" ? quantizedMetadata(weights, exports.NUMERICS_VERSION.value as number) : { format: "pt" };
    const groups = outTensors(held, config, weights, loaded.isUntied || !config.tie_word_embeddings);
    for (const [i, file] of safetensorsFiles(groups, metadata, shardBytes).entries()) yield abortable(file, signal, i === 0 ? read : undefined);
    yield configFile(checkpoint.files?.config ?? { ...config }, weights);
    if (files.gguf !== undefined) {
      yield* vocabularyFiles((await checkpoint.tokenizer()).tokenizer);
      return;
    }
  } finally {
    await checkpoint.close();
  }
  const generation = checkpoint.files?.generation ?? null;
  if (generation !== null) yield textFile(GENERATION_NAME, generation);
  for (const name of COPIED) {
    const file = await files.open(name);
    if (file !== null) yield { name, size: file.size, data: () => copied(new ByteReader(file, name, files.description, signal)) };
  }
}

/** @throws KvasmError `type`, `value`, `option` */
function checkConvertOptions(options: ConvertFilesOptions): ConvertFilesOptions & { format: Format; shardBytes: number } {
  const given = checkOptions<ConvertFilesOptions>("convert options", options, FILES_KEYS);
  const weights = checkTypeName<FileWeights>("weights", given.weights, FILE_WEIGHTS);
  if (weights === undefined) throw new KvasmError("type", `weights: expected one of "f32", "f16", "q8", "q4", got ${shown(weights)}.`, { argument: "weights", value: weights });
  const format = checkTypeName<Format>("format", given.format, FORMATS) ?? "safetensors";
  checkFunction("fetch", given.fetch);
  checkFunction("onProgress", given.onProgress);
  const shardBytes = given.shardBytes === undefined ? Infinity : checkInteger("shardBytes", given.shardBytes, 1, Number.MAX_SAFE_INTEGER);
  if (format === "gguf" && given.shardBytes !== undefined) {
    throw new KvasmError("option", `shardBytes: a GGUF file is written whole, got ${given.shardBytes}. Leave it out.`, { argument: "shardBytes", value: given.shardBytes });
  }
  return { ...given, weights, format, shardBytes, signal: checkSignal(given.signal) };
}

function textFile(name: string, text: string): ConvertedFile {
  const bytes = new TextEncoder().encode(text);
  return { name, size: bytes.length, data: () => [bytes] };
}

function configFile(json: JsonObject, weights: FileWeights): ConvertedFile {
  const { quantization_config: _, ...config } = json;
  const isQuantized = weights === "q8" || weights === "q4";
  // transformers refuses a quant_method that it does not know, instead of taking integers for weights.
  if (isQuantized) config.quantization_config = { quant_method: FORMAT, weights, bits: weights === "q8" ? 8 : 4 };
  else if (config.torch_dtype !== undefined || config.dtype !== undefined) config[config.dtype !== undefined ? "dtype" : "torch_dtype"] = weights === "f32" ? "float32" : "float16";
  config.model_type ??= "gpt2";
  return textFile("config.json", pythonJson(config) + "\n");
}

/** What the module gives out in one call. */
function checkRows({ n_embd, n_inner }: ModelConfig, most: number): void {
  const longest = Math.max(3 * n_embd, n_inner);
  if (longest <= most) return;
  throw new KvasmError("unsupported", `config.json: rows of ${longest} numbers are longer than the ${most} that kvasm converts at once.`, { argument: "n_inner", value: longest });
}

/** The tokenizer of a GGUF file as files of its own. */
async function* vocabularyFiles(tokenizer: Tokenizer | null): AsyncGenerator<ConvertedFile> {
  const vocabulary = tokenizer && await vocabularyOf(tokenizer);
  if (vocabulary === null) return;
  const ids = new Map(vocabulary.tokens.flatMap((token, id) => token === undefined ? [] : [[token, id]]));
  yield textFile("vocab.json", JSON.stringify(Object.fromEntries(ids)));
  yield textFile("merges.txt", ["#version: 0.2", ...vocabulary.merges, ""].join("\n"));
  const plain = { lstrip: false, normalized: false, rstrip: false, single_word: false };
  const added = [...vocabulary.added].map(([id, { special }]) => [id, { content: vocabulary.tokens[id], ...plain, special }]);
  const end = vocabulary.added.has(ids.get(END_OF_TEXT) ?? -1) ? END_OF_TEXT : null;
  yield textFile("tokenizer_config.json", JSON.stringify({
    tokenizer_class: "GPT2Tokenizer", bos_token: end, eos_token: end, unk_token: end, added_tokens_decoder: Object.fromEntries(added),
  }, null, 2));
}

function abortable({ name, size, data }: OutFile, signal: AbortSignal | undefined, notes?: readonly string[]): ConvertedFile {
  return {
    name,
    size,
    notes,
    *data() {
      for (const piece of data()) {
        signal?.throwIfAborted();
        yield piece;
      }
    },
  };
}

async function* copied(reader: ByteReader): AsyncGenerator<Uint8Array> {
  try {
    for (let chunk; (chunk = await reader.chunk()) !== null;) yield chunk;
  } finally {
    await reader.cancel();
  }
}
