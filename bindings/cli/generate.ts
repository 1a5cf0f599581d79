import { KvasmError } from "../index.ts";
import type { Constrain, GenerateOptions } from "../index.ts";
import { textOf } from "./prompt.ts";
import { loadModel } from "./model.ts";
import type { ModelFlags } from "./model.ts";
import { Stop, bytes, digits, duration, stopping, write, writeJson } from "./terminal.ts";

export interface GenerateFlags extends ModelFlags, Pick<GenerateOptions,
  "seed" | "temperature" | "topK" | "topP" | "minP" | "typicalP" | "repetitionPenalty" | "presencePenalty" | "frequencyPenalty" |
  "logitBias" | "stop" | "keep"> {
  ids?: number[];
  choice?: string[];
  regex?: string;
  jsonSchema?: object;
  maxTokens: number;
  ignoreEos?: true;
  logprobs?: true;
  echo?: true;
}

/** How the stories model is sampled unless the command line says otherwise: its own README's advice. */
export const STORIES = { temperature: 0.8, topK: 40 } as const;

/** `kvasm generate`: streams the text; returns the exit code. */
export async function generate(argument: string | undefined, flags: GenerateFlags): Promise<number> {
  const signal = stopping();
  const prompt = await readPrompt(argument, flags.ids);
  const startMs = now();
  const model = await loadModel(flags, signal);
  const loadedMs = now();

  const { temperature, topK } = flags.model === undefined ? { ...STORIES, ...defined(flags) } : flags;
  // Short enough to be typed again; any other seed up to 2⁵³ − 1 may be asked for.
  const seed = flags.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
  const promptIds = typeof prompt !== "string" ? prompt : model.tokenizer === null ? null : [...model.tokenizer.encode(prompt)];
  if (promptIds === null) {
    throw new KvasmError("tokenizer", "prompt: this model has no tokenizer, so text cannot be turned into tokens. Give ids: --ids 464,2068,7586.", { argument: "prompt", value: prompt });
  }

  const tokens: { id: number; logprob?: number }[] = [];
  let text = "";
  let finish = "interrupted";
  let firstMs = loadedMs;
  let lastMs = loadedMs;
  let stop: unknown;
  // Without a tokenizer there is no text; the ids are then the output.
  const shown = (item: { id: number; text: string }) => (model.tokenizer === null ? `${tokens.length > 1 ? " " : ""}${item.id}` : item.text);
  if (flags.echo && !flags.json && model.tokenizer !== null) await write(model.tokenizer.decode(promptIds), signal);
  try {
    const stream = model.generate(prompt, {
      maxTokens: flags.maxTokens, stop: flags.stop, ignoreEos: flags.ignoreEos, keep: flags.keep, signal, seed, temperature, topK, topP: flags.topP,
      minP: flags.minP, typicalP: flags.typicalP, repetitionPenalty: flags.repetitionPenalty, presencePenalty: flags.presencePenalty,
      frequencyPenalty: flags.frequencyPenalty, logitBias: flags.logitBias, logprobs: flags.logprobs,
      constrain: constrainOf(flags),
    });
    for await (const item of stream) {
      lastMs = now();
      if (tokens.length === 0) firstMs = lastMs;
      tokens.push(item.logprob === undefined ? { id: item.id } : { id: item.id, logprob: item.logprob });
      text += item.text;
      finish = item.finish ?? finish;
      if (!flags.json) await write(flags.logprobs ? `${JSON.stringify(item.text)}\t${item.id}\t${item.logprob}\n` : shown(item), signal);
    }
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    stop = error;
  }

  const promptTokens = Math.max(promptIds.length, 1); // an empty prompt starts with the BOS token
  const figures = {
    promptTokens,
    generatedTokens: tokens.length,
    prefillTokensPerSecond: tokens.length > 0 ? rate(promptTokens, firstMs - loadedMs) : 0,
    decodeTokensPerSecond: rate(tokens.length - 1, lastMs - firstMs),
    firstTokenMs: firstMs,
    startMs,
    loadMs: loadedMs - startMs,
    prefillMs: firstMs - loadedMs,
    memoryBytes: model.memory.total,
    residentBytes: process.memoryUsage.rss(),
  };
  model.dispose();
  if (flags.json) {
    await writeJson({ prompt: typeof prompt === "string" ? prompt : null, promptIds, text, tokens, finish, seed, figures }, signal);
  } else if (!(stop instanceof Stop && stop.exitCode === 0)) {
    if (!flags.logprobs) await write("\n", signal);
    process.stderr.write(
      `${promptTokens} tokens in, ${tokens.length} out · prefill ${digits(figures.prefillTokensPerSecond)} tokens/s · decode ${digits(figures.decodeTokensPerSecond)} tokens/s · ` +
      `first token after ${duration(firstMs)} (start ${duration(startMs)}, load ${duration(figures.loadMs)}, prefill ${duration(figures.prefillMs)}) · ` +
      `memory ${bytes(figures.memoryBytes)} · seed ${seed} · ${finish}\n`,
    );
  }
  return stop instanceof Stop ? stop.exitCode : 0;
}

/** Milliseconds since the process started, or since a program that ran this one in its own process (npm start) marked "kvasm". */
function now(): number {
  return performance.now() - (performance.getEntriesByName("kvasm")[0]?.startTime ?? 0);
}

async function readPrompt(argument: string | undefined, ids: number[] | undefined): Promise<string | number[]> {
  if (ids === undefined) return textOf(argument ?? "", "prompt");
  if (argument !== undefined) throw new KvasmError("option", "--ids: the prompt is given twice, as text and as ids. Leave one of them out.", { argument: "ids", value: ids });
  return ids;
}

function constrainOf({ choice: choices, regex, jsonSchema }: GenerateFlags): Constrain | undefined {
  return choices === undefined && regex === undefined && jsonSchema === undefined ? undefined : { choices, regex, jsonSchema };
}

function defined({ temperature, topK }: GenerateFlags): { temperature?: number; topK?: number } {
  return { ...(temperature !== undefined && { temperature }), ...(topK !== undefined && { topK }) };
}

function rate(tokens: number, milliseconds: number): number {
  return tokens > 0 && milliseconds > 0 ? (tokens * 1000) / milliseconds : 0;
}
