import type { Weights } from "../../wasm/types.ts";
import { ByteReader, openRequired } from "../../files/bytes.ts";
import type { Checkpoint } from "../types.ts";
import type { ModelConfig } from "../config.ts";
import { CheckpointReader } from "../reader.ts";
import { plainShard } from "../shard.ts";
import type { ReaderOptions } from "../types.ts";
import type { Piece } from "../router.ts";
import type { ModelFiles } from "../../files/files.ts";
import { ggufConfig } from "./config.ts";
import { readGgufHeader } from "./header.ts";
import type { GgufHeader, GgufTensor } from "./header.ts";
import { POSITIONS, placeTensors } from "./tensors.ts";
import { TOKENIZER_ARRAYS, ggufTokenizer } from "./vocabulary.ts";

/**
 * Opens a GGUF file of GPT-2 in llama.cpp's layout, and checks everything that can be known before its data.
 * @throws KvasmError `source`, `weights`, `config`, `tokenizer`, `unsupported`; the signal's reason
 */
export async function openGguf(files: ModelFiles, name: string, options: ReaderOptions = {}): Promise<Checkpoint> {
  options.signal?.throwIfAborted();
  const reader = new ByteReader(await openRequired(files, name), name, files.description, options.signal);
  try {
    const header = await readGgufHeader(reader, name, TOKENIZER_ARRAYS);
    const config = Object.freeze(ggufConfig(header, name));
    const plan = planOf(header, config, name);
    const dataBytes = plan.reduce((sum, { bytes }) => sum + bytes, 0);
    const headStored = !config.tie_word_embeddings;
    const shard = { ...plainShard({ name, reader, dataBytes, trailing: header.trailing, plan }), headStored, foreign: [], weights: typeOf(header) };
    const weights = new CheckpointReader({ shards: [name], open: async () => shard }, shard, dataBytes, options);
    const { metadata } = header;
    const stored = header.tensors.map((tensor) => ({ name: tensor.name, type: tensor.type.name, isMatrix: isMatrix(tensor) }));
    return {
      config,
      tokenizer: () => ggufTokenizer(metadata, config.vocab_size, name),
      weights: async () => weights,
      notes: (held) => notesOf(stored, held),
      close: () => weights.close(),
    };
  } catch (error) {
    await reader.cancel();
    throw error;
  }
}

/** int4 for a file whose blocks' matrices are Q4_0, which int4 holds as it is; int8 for other block formats: it loses least. */
function typeOf({ tensors }: GgufHeader): Weights {
  const names = tensors.filter((one) => isMatrix(one) && one.name.startsWith("blk.")).map(({ type }) => type.name);
  if (names.every((name) => name === "Q4_0")) return "q4";
  return names.some((name) => name.startsWith("Q")) ? "q8" : "f32";
}

function isMatrix({ name, dimensions }: GgufTensor): boolean {
  return dimensions.length > 1 && name !== POSITIONS;
}

/** One for each block format that is not held natively. */
function notesOf(stored: readonly { name: string; type: string; isMatrix: boolean }[], held: Weights): string[] {
  const byType = new Map<string, string[]>();
  for (const { name, type, isMatrix } of stored) {
    if (!isMatrix || !type.startsWith("Q") || (type === "Q4_0" && held === "q4")) continue;
    byType.set(type, [...byType.get(type) ?? [], name]);
  }
  return [...byType].map(([type, names]) => {
    const which = names.length === 1 ? names[0] : `${names[0]} and ${names.length - 1} more`;
    return `${which}: ${type} in the file, turned into f32${held === "f32" ? "" : ` and that into ${held}`}.`;
  });
}

/** The tensors, and the padding before each, in the order of their bytes. */
function planOf({ tensors, padding }: GgufHeader, config: ModelConfig, file: string): Piece[] {
  const places = placeTensors(tensors, config, file);
  const plan: Piece[] = [];
  let at = -padding;
  for (const { name, type, begin, end } of tensors) {
    plan.push({ place: null, dtype: -1, width: 1, elements: 1, bytes: begin - at });
    plan.push({ place: places.get(name)!, dtype: type.dtype, width: type.bytes, elements: type.elements, bytes: end - begin });
    at = end;
  }
  return plan;
}
