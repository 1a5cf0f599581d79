/** What bench/peers/wllama.ts asks of a page: an engine in it, whose speeds it then asks for. Bundled for browsers by wllama.ts. */
import { load } from "../../../bindings/index.ts";
import { randomIds, randomModel } from "../../../bindings/bench/random-model.ts";
import { Subject } from "../../../bindings/bench/subject.ts";
import type { Asked } from "../beside.ts";
import { wordOf } from "../words.ts";

/** An engine in a page. Prompts are the first of `randomIds`; rates are tokens per second. */
export interface Engine {
  readonly version: string;
  /** Natural logarithms of probabilities after a prompt, of the likeliest ids, most likely first. */
  likeliest(prompt: readonly number[], count: number): Promise<readonly (readonly [id: number, logprob: number])[]>;
  prefill(tokens: number): Promise<number>;
  /** Greedy steps behind so many tokens of context. */
  decode(context: number, count: number): Promise<number>;
}

/** wllama's own settings, as llama-server has them. */
export interface PeerSettings {
  readonly flash: boolean;
  readonly cache: string;
}

async function openKvasm({ shape, seed, weights, cache }: Asked): Promise<Engine> {
  const model = await load(randomModel(shape, seed), { weights, cache, contextLength: shape.n_positions, maxSequences: 2 });
  const subject = new Subject(model, shape);
  let filled = 0;
  return {
    version: model.relaxedSimd ? "relaxed SIMD" : "SIMD",
    async likeliest(prompt, count) {
      const sequence = model.sequence();
      const logits = sequence.prefill(prompt);
      sequence.dispose();
      const largest = logits.reduce((a, b) => Math.max(a, b));
      const sum = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
      const all = Array.from(logits, (logit, id) => [id, logit - largest - Math.log(sum)] as const);
      return all.sort(([, a], [, b]) => b - a).slice(0, count);
    },
    async prefill(tokens) {
      filled = 0;
      return tokens / subject.prefillSeconds(tokens);
    },
    async decode(context, count) {
      if (filled !== context) subject.fill(filled = context);
      return count / subject.decodeSeconds(context, count);
    },
  };
}

/** llama-server's answer, of which only this is read. */
interface Completion {
  readonly timings: { readonly prompt_n: number; readonly prompt_ms: number; readonly predicted_n: number; readonly predicted_ms: number };
  readonly choices: readonly { readonly logprobs?: { readonly content: readonly { readonly top_logprobs: readonly { readonly id: number; readonly logprob: number }[] }[] } | null }[];
}

async function openWllama({ shape }: Asked, { flash, cache }: PeerSettings): Promise<Engine> {
  const { Wllama } = await import(String(new URL("/wllama/index.js", location.href)));
  const engine = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
  const file = await (await fetch("/model.gguf")).blob();
  await engine.loadModel([file], {
    n_ctx: shape.n_positions, n_threads: 1, n_parallel: 1, n_gpu_layers: 0, flash_attn: flash, cache_type_k: cache, cache_type_v: cache,
  });
  const ids = randomIds(shape.n_positions, shape.vocab_size);
  const complete = async (prompt: readonly number[], computed: number, generated: number, options: object): Promise<Completion> => {
    const answer: Completion = await engine.createCompletion({
      prompt: prompt.map(wordOf).join(""), max_tokens: generated, temperature: 0, top_k: 1, samplers: ["top_k"], ignore_eos: true, cache_prompt: false, stream: false, ...options,
    });
    const { prompt_n, predicted_n } = answer.timings;
    if (prompt_n !== computed || predicted_n !== generated) throw new Error(`wllama computed ${prompt_n} tokens of the prompt and ${predicted_n} more; asked for: ${computed}, ${generated}.`);
    return answer;
  };
  return {
    version: Wllama.getLibllamaVersion(),
    async likeliest(prompt, count) {
      const { choices } = await complete(prompt, prompt.length, 1, { logprobs: count });
      return choices[0]!.logprobs!.content[0]!.top_logprobs.map(({ id, logprob }) => [id, logprob] as const);
    },
    async prefill(tokens) {
      const { timings } = await complete(ids.slice(0, tokens), tokens, 1, {});
      return 1000 * tokens / timings.prompt_ms;
    },
    async decode(context, count) {
      // All but the prompt's last token are cached; the first token generated comes out of the prompt, and its time is the prompt's.
      const { timings } = await complete(ids.slice(0, context), 1, count + 1, { cache_prompt: true });
      return 1000 * count / timings.predicted_ms;
    },
  };
}

const engines: Record<string, Engine> = {};
export const bench = {
  async open(name: "kvasm" | "wllama", asked: Asked, settings: PeerSettings): Promise<string> {
    const engine = name === "kvasm" ? await openKvasm(asked) : await openWllama(asked, settings);
    engines[name] = engine;
    return engine.version;
  },
  likeliest: (name: string, prompt: readonly number[], count: number) => engines[name]!.likeliest(prompt, count),
  prefill: (name: string, tokens: number) => engines[name]!.prefill(tokens),
  decode: (name: string, context: number, count: number) => engines[name]!.decode(context, count),
};
(globalThis as unknown as { bench: typeof bench }).bench = bench;
