import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { load, type Cache, type Model, type Weights } from "../../bindings/index.ts";
import { CacheType, WeightType } from "../../bindings/wasm/exports.ts";
import { checkTypeName } from "../../bindings/wasm/types.ts";
import { interleave, seconds, type Disturbance, type Spread } from "../../bindings/bench/measure.ts";
import { randomIds, randomModel } from "../../bindings/bench/random-model.ts";
import { shownSpread } from "../../bindings/bench/report.ts";
import { SHAPES, type Shape, type ShapeName } from "../../bindings/bench/shapes.ts";
import { describeSystem, watchOthers, type System } from "../../bindings/bench/system.ts";

/** What a peer is asked to run. */
export interface Asked {
  readonly shape: Shape;
  readonly seed: number;
  /** The peer's own form that is nearest to what kvasm holds. */
  readonly weights: Weights;
  readonly cache: Cache;
}

/** Another engine with the same weights. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** What a reader has to know to repeat it. */
  readonly settings: string;
  /** From an empty cache; the logits of the last token where the engine shows them. Decoding goes on from here. */
  prefill(ids: readonly number[]): Promise<ArrayLike<number> | null>;
  /** `count` greedy steps after the last prefill, the first token being `id`; the next call starts there again. */
  decode(id: number, count: number): Promise<void>;
  close(): Promise<void>;
}

export interface Beside {
  readonly measure: "decode" | "prefill";
  /** Tokens of context, or of the prompt. */
  readonly tokens: number;
  readonly kvasm: Spread;
  readonly peer: Spread;
  /** kvasm's tokens per second over the peer's, repetition by repetition. */
  readonly ratio: Spread;
  readonly disturbance: Disturbance;
}

export interface PeerResult {
  readonly system: System;
  readonly peer: { readonly name: string; readonly version: string; readonly settings: string };
  readonly inputs: { readonly shape: ShapeName; readonly weights: Weights; readonly cache: Cache; readonly seed: number; readonly repetitions: number; readonly decodeTokens: number };
  /**
   * Largest difference of a logit between the two engines after the same prompt, the largest logit, and the root mean square of the
   * differences over that of the logits; null if not shown.
   */
  readonly check: { readonly maxDifference: number; readonly maxLogit: number; readonly relative: number } | null;
  readonly results: readonly Beside[];
}

/** Steps of one repetition. */
const DECODE_TOKENS = 8;
const SEED = 1;

/**
 * Runs a peer and kvasm in turns in this process, one thread each, and prints tokens per second and their ratio.
 * Arguments: --shape, --weights and --cache of kvasm (the peer gets what is nearest), --contexts, --prompts, --repetitions, --json,
 * and the peer's `own`.
 */
export async function runBeside(open: (asked: Asked, flags: Record<string, string | undefined>) => Promise<Peer>, own: readonly string[] = []): Promise<void> {
  const { values } = parseArgs({
    options: {
      shape: { type: "string", default: "124M" }, contexts: { type: "string", default: "128,900" }, prompts: { type: "string", default: "128,512" },
      weights: { type: "string", default: "f32" }, cache: { type: "string", default: "f32" },
      repetitions: { type: "string", default: "5" }, json: { type: "boolean", default: false },
      ...Object.fromEntries(own.map((name) => [name, { type: "string" as const }])),
    },
  });
  const list = (text: string): number[] => text.split(",").filter(Boolean).map(Number);
  const shapeName = values.shape as ShapeName;
  const shape = SHAPES[shapeName];
  if (!shape) throw new Error(`--shape: expected one of ${Object.keys(SHAPES).join(", ")}, got ${shapeName}.`);
  const say = (text: string): void => { if (!values.json) console.log(text); };
  const weights = checkTypeName<Weights>("--weights", values.weights, WeightType)!;
  const cache = checkTypeName<Cache>("--cache", values.cache, CacheType)!;

  const peer = await open({ shape, seed: SEED, weights, cache }, Object.fromEntries(own.map((name) => [name, (values as Record<string, unknown>)[name] as string | undefined])));
  const model = await load(randomModel(shape, SEED), { weights, cache, contextLength: shape.n_positions, maxSequences: 2 });
  const result: PeerResult = {
    system: await describeSystem(),
    peer: { name: peer.name, version: peer.version, settings: peer.settings },
    inputs: { shape: shapeName, weights, cache, seed: SEED, repetitions: Number(values.repetitions), decodeTokens: DECODE_TOKENS },
    check: await check(peer, model, shape),
    results: [],
  };
  const { system } = result;
  say(`kvasm beside ${peer.name} ${peer.version} (${peer.settings}), ${shapeName}, weights in ${weights}, cache in ${cache}, one thread`);
  say(`${system.runtime} ${system.version} (${system.engine}), ${system.cpu}, ${system.cores} cores`);
  say(result.check
    ? `checked: logits of the same prompt differ by at most ${result.check.maxDifference.toExponential(1)}, the largest being ${result.check.maxLogit.toFixed(1)}; root mean square ${result.check.relative.toExponential(1)} of the logits'`
    : "not checked: the engine does not show its logits");

  const results: Beside[] = [];
  for await (const one of compare(peer, model, shape, list(values.prompts), list(values.contexts), Number(values.repetitions))) {
    results.push(one);
    say(`${one.measure} ${one.measure === "decode" ? "at" : "of"} ${one.tokens}: kvasm ${shownSpread(one.kvasm)}, ${peer.name} ${shownSpread(one.peer)} tokens/s, ratio ${shownSpread(one.ratio, 1, 2)}${(one.disturbance.othersCores ?? 0) > 0.1 ? `, other programs used ${one.disturbance.othersCores!.toFixed(2)} cores` : ""}`);
  }
  if (values.json) console.log(JSON.stringify({ ...result, results }, null, 2));
  model.dispose();
  await peer.close();
}

/**
 * Two ways of rounding the same weights differ by as much as each of them does from the weights; logits of another model would
 * differ by √2 of theirs.
 */
const ALLOWED: Readonly<Record<Weights, number>> = { f32: 1e-3, q8: 0.15, q4: 0.5 };

/** The same prompt through both: the same model, or the comparison means nothing. */
async function check(peer: Peer, model: Model, shape: Shape): Promise<PeerResult["check"]> {
  const ids = randomIds(33, shape.vocab_size, 11);
  const theirs = await peer.prefill(ids);
  if (!theirs) return null;
  const sequence = model.sequence();
  const ours = sequence.prefill(ids);
  sequence.dispose();
  let maxDifference = 0;
  let maxLogit = 0;
  let squares = 0;
  let squaredDifferences = 0;
  ours.forEach((logit, id) => {
    maxDifference = Math.max(maxDifference, Math.abs(logit - theirs[id]!));
    maxLogit = Math.max(maxLogit, Math.abs(logit));
    squares += logit ** 2;
    squaredDifferences += (logit - theirs[id]!) ** 2;
  });
  const relative = Math.sqrt(squaredDifferences / squares);
  const allowed = ALLOWED[model.weights];
  if (!(relative < allowed)) throw new Error(`${peer.name} computes another model: the logits differ by ${relative} of theirs, where ${allowed} is allowed.`);
  return { maxDifference, maxLogit, relative };
}

async function* compare(peer: Peer, model: Model, shape: Shape, prompts: number[], contexts: number[], repetitions: number): AsyncGenerator<Beside> {
  const ids = randomIds(shape.n_positions, shape.vocab_size);
  const others = await watchOthers();
  const sequence = model.sequence();
  const timed = async (call: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await call();
    return (performance.now() - start) / 1000;
  };

  for (const tokens of prompts) {
    const prompt = ids.slice(0, tokens);
    const theirs = async (): Promise<number> => tokens / await timed(() => peer.prefill(prompt));
    const ours = (): number => {
      sequence.truncate(0);
      return tokens / seconds(() => sequence.prefill(prompt));
    };
    await theirs();
    ours(); // the first call of each is not counted
    const { reference, rates: [kvasm], shares: [ratio], disturbance } = await interleave(repetitions, others, theirs, ours);
    yield { measure: "prefill", tokens, kvasm: kvasm!, peer: reference, ratio: ratio!, disturbance };
  }

  for (const tokens of contexts) {
    const prompt = ids.slice(0, tokens);
    sequence.truncate(0);
    sequence.prefill(prompt);
    await peer.prefill(prompt);
    const first = ids[0]!;
    const theirs = async (): Promise<number> => DECODE_TOKENS / await timed(() => peer.decode(first, DECODE_TOKENS));
    const ours = (): number => {
      sequence.truncate(tokens);
      return DECODE_TOKENS / seconds(() => {
        let id = first;
        for (let step = 0; step < DECODE_TOKENS; step++) {
          sequence.decode(id);
          id = sequence.sample({ temperature: 0 });
        }
      });
    };
    await theirs();
    ours();
    const { reference, rates: [kvasm], shares: [ratio], disturbance } = await interleave(2 * repetitions, others, theirs, ours);
    yield { measure: "decode", tokens, kvasm: kvasm!, peer: reference, ratio: ratio!, disturbance };
  }
  sequence.dispose();
}

/** A peer's package, from the folder that its own install command filled. */
export async function installed(peer: string, name: string): Promise<{ module: any; version: string }> {
  const { createRequire } = await import("node:module");
  const { pathToFileURL } = await import("node:url");
  const require = createRequire(new URL(`../../bench/peers/${peer}/`, import.meta.url));
  let path: string;
  try {
    path = require.resolve(name);
  } catch (cause) {
    throw new Error(`${name} is not installed. Run: npm ci --ignore-scripts --prefix bench/peers/${peer}`, { cause });
  }
  const manifest = JSON.parse(await readFile(new URL(`../../bench/peers/${peer}/node_modules/${name}/package.json`, import.meta.url), "utf8"));
  return { module: await import(pathToFileURL(path).href), version: manifest.version };
}

/** The best id of a row of logits, as a caller of an engine without a sampler has to find it. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}
