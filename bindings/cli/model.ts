import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { load } from "../index.ts";
import type { Cache, Model, Weights } from "../index.ts";
import type { HubFlags } from "./hub.ts";
import { progress } from "./progress.ts";

/** The options that every command has. */
export interface ModelFlags extends Pick<HubFlags, "revision" | "offline"> {
  /** The copy in integers that `kvasm pull --keep` has made. */
  converted?: true;
  model?: string;
  contextLength?: number;
  weights?: Weights;
  cache?: Cache;
  threads?: number | "auto";
  json?: true;
}

/**
 * `--model`'s value as `load` takes it. In a shell `models/stories` is a path as much as `./models/stories` is; for `load` the
 * first would be a hub id, so what exists is made absolute here.
 */
export function source(model: string | undefined): string | undefined {
  if (model === undefined) return undefined;
  return existsSync(model) ? resolve(model) : model;
}

/** Loads the model of a command, with a progress bar where there is a terminal. */
export async function loadModel(flags: ModelFlags, signal: AbortSignal): Promise<Model> {
  const bar = await progress("loading");
  try {
    const { contextLength, weights, cache, threads, revision, offline, converted } = flags;
    return await load(source(flags.model), { contextLength, weights, cache, threads, revision, offline, ...converted && { keep: "converted" }, signal, onProgress: bar.update });
  } finally {
    bar.stop();
  }
}
