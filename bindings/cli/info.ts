import { loadModel } from "./model.ts";
import type { ModelFlags } from "./model.ts";
import { bytes, stopping, table, write, writeJson } from "./terminal.ts";

/** `kvasm info`: what a model is, and what it takes. */
export async function info(flags: ModelFlags): Promise<number> {
  const signal = stopping();
  const model = await loadModel(flags, signal);
  try {
    const facts = {
      config: model.config,
      contextLength: model.contextLength,
      weights: model.weights,
      cache: model.cache,
      relaxedSimd: model.relaxedSimd,
      threads: model.threads,
      notes: model.notes,
      tokenizer: model.tokenizer === null ? null : { vocabulary: model.config.vocab_size },
      memory: model.memory,
      residentBytes: process.memoryUsage.rss(),
    };
    if (flags.json) {
      await writeJson(facts, signal);
      return 0;
    }
    const text =
      table([["config", ""], ...Object.entries(model.config).map(([key, value]) => ["  " + key, shown(value)])]) +
      table([["tokenizer", model.tokenizer === null ? "none: give ids" : "yes"], ["context", `${model.contextLength} tokens`], ["weights", model.weights], ["cache", model.cache], ["SIMD", model.relaxedSimd ? "relaxed" : "plain"], ["threads", `${model.threads.used}${model.threads.reason === undefined ? "" : `: ${model.threads.reason}`}`]]) +
      model.notes.map((note) => note + "\n").join("") +
      table([["memory", ""], ...Object.entries(model.memory).map(([region, size]) => ["  " + region, bytes(size)])]);
    await write(text, signal);
    return 0;
  } finally {
    model.dispose();
  }
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
