import { lazily } from "../hosts/lazily.ts";
import { loadTokenizer } from "../tokenizer/load.ts";
import { missing, readText } from "../files/bytes.ts";
import { configOf, parseConfigJson } from "./config.ts";
import { GENERATION_NAME, withGenerationConfig } from "./generation-config.ts";
import { openWeights } from "./reader.ts";
import type { Checkpoint, ReaderOptions, WeightReader } from "./types.ts";
import type { ModelFiles } from "../files/files.ts";

const MOST_CONFIG_BYTES = 1 << 20;

/**
 * Reads the configuration: of a GGUF file, which has everything, or of config.json and generation_config.json beside safetensors.
 * @throws KvasmError `source`, `config`, `weights`, `tokenizer`, `unsupported`; the signal's reason
 */
export async function openCheckpoint(files: ModelFiles, options: ReaderOptions = {}): Promise<Checkpoint> {
  if (files.gguf !== undefined) return (await lazily(() => import("./gguf/read.ts"))).openGguf(files, files.gguf, options);
  const read = (name: string): Promise<string | null> => readText(files, name, MOST_CONFIG_BYTES, options.signal);
  const second = read(GENERATION_NAME); // on its way meanwhile
  second.catch(() => {}); // it is looked at when it is asked for
  const json = parseConfigJson(await read("config.json") ?? await missing(files, "config.json"));
  const first = configOf(json);
  const generation = await second;
  const config = Object.freeze(generation === null ? first : withGenerationConfig(first, generation));
  Object.freeze(config.eos_token_id);
  let reader: WeightReader | undefined;
  let notes: string[] = [];
  return {
    config,
    files: { config: json, generation },
    tokenizer: () => loadTokenizer(files, config, options),
    weights: async () => {
      reader = await openWeights(files, config, options);
      if (reader.foreign.length > 0) notes = [(await lazily(() => import("./foreign.ts"))).passedOver(reader.foreign)];
      return reader;
    },
    notes: () => notes,
    close: async () => reader?.close(),
  };
}
