import { KvasmError, checkOptions, shown } from "../errors.ts";
import { STAGING_BYTES } from "../wasm/exports.ts";
import { unsigned } from "../wasm/memory.ts";
import type { Arena } from "./arena.ts";
import { checkIds } from "./ids.ts";
import type { Ids } from "./ids.ts";
import { SAMPLER_KEYS, Sampler } from "./sampler-options.ts";
import type { SamplerOptions } from "./sampler-options.ts";

/** The probabilities, f32[vocab_size], that the sampler draws from; +0 for tokens that it removed. */
export function distribution(arena: Arena, logits: Float32Array | readonly number[], options?: SamplerOptions, history: Ids = []): Float32Array {
  const { exports, header, memory, config } = arena;
  const sampler = new Sampler(checkOptions<SamplerOptions>("sampler options", options, SAMPLER_KEYS), config.vocab_size, () => 0);
  const past = checkIds("history", history, config.vocab_size);
  const row = checkLogits(logits, config.vocab_size);

  exports.clearHistory(header);
  const staging = unsigned(exports.stagingAddress(header));
  const most = STAGING_BYTES / 4;
  for (let from = 0; from < past.length; from += most) {
    const part = past.subarray(from, from + most);
    memory.u32.set(part, staging / 4);
    exports.addHistory(header, staging, part.length);
  }
  const start = unsigned(exports.samplerLogits(header)) / 4;
  memory.f32.set(row, start);
  sampler.apply(arena, 0);
  exports.distribution(header);
  return memory.f32.slice(start, start + config.vocab_size);
}

function checkLogits(logits: unknown, vocabSize: number): Float32Array {
  const isFloats = ArrayBuffer.isView(logits) && Object.prototype.toString.call(logits) === "[object Float32Array]";
  if (!isFloats && !Array.isArray(logits)) {
    throw new KvasmError("type", `logits: expected a Float32Array or an array of ${vocabSize} numbers, got ${shown(logits)}.`, { argument: "logits", value: logits });
  }
  const given = logits as ArrayLike<unknown>;
  if (given.length !== vocabSize) {
    throw new KvasmError("value", `logits: expected ${vocabSize} numbers (vocab_size), got ${given.length}.`, { argument: "logits", value: given.length });
  }
  const row = new Float32Array(vocabSize);
  for (let i = 0; i < vocabSize; i++) {
    const value = given[i];
    if (typeof value !== "number") {
      throw new KvasmError("type", `logits[${i}]: expected a number, got ${shown(value)}.`, { argument: `logits[${i}]`, value });
    }
    row[i] = value;
    if (!Number.isFinite(row[i])) {
      throw new KvasmError("non-finite", `logits[${i}]: expected a finite 32-bit float, got ${shown(value)}. A token is kept out by a large negative logitBias.`, { argument: `logits[${i}]`, value });
    }
  }
  return row;
}
