/** The worker's side: holds models and answers calls, one object's in their order. */
import { KvasmError } from "../errors.ts";
import { estimate, load } from "../index.ts";
import type { LoadOptions, Model, ModelBytes, Sequence } from "../index.ts";
import { packError } from "./errors.ts";
import { holdLifeline } from "./lifeline.ts";
import type { Answer, Call, Handle, Port, Request, Unaddressed } from "./protocol.ts";
import { unpackSource } from "./source.ts";

type Methods = Record<string, (call: Call, ...args: never[]) => unknown>;

/** Serves every line that calls. Said hello to twice, it answers twice and serves once: a caller may have said it before this script ran. */
export function serveOn(port: Port): void {
  const lines = new Map<string, { readonly take: (request: Request) => void; readonly ready: Promise<boolean> }>();
  port.listen((message) => {
    const request = message as Request | undefined;
    if (typeof request?.line !== "string") return; // another's message
    const { line } = request;
    if (request.type !== "hello") return lines.get(line)?.take(request);
    const known = lines.get(line) ?? { take: serveLine((answer, transfer) => port.post({ ...answer, line }, transfer)), ready: holdLifeline(line) };
    lines.set(line, known);
    void known.ready.then((hasLifeline) => port.post({ type: "ready", line, hasLifeline }, []));
  });
  port.post({ type: "up" }, []);
}

function serveLine(send: (answer: Unaddressed<Answer>, transfer: readonly ArrayBufferLike[]) => void): (request: Request) => void {
  const objects = new Map<number, Methods>();
  const sequences = new Map<number, Sequence>(); // those of the objects that are sequences
  const controllers = new Map<number, AbortController>();
  let last = 0;
  const keep = (methods: Methods, state: unknown): Handle => {
    objects.set(++last, methods);
    return { kvasmHandle: last, state };
  };
  /** The signal that the caller's `abort` raises, for calls that were given one. */
  const withSignal = <T extends { signal?: unknown }>({ id }: Call, options: T | undefined): T | undefined => {
    if (options?.signal !== true) return options;
    const controller = controllers.get(id) ?? new AbortController();
    controllers.set(id, controller);
    return { ...options, signal: controller.signal };
  };

  const loader: Methods = {
    async load(call, source: unknown, options: LoadOptions & { progress?: boolean }) {
      const { progress, ...rest } = options;
      const model = await load(unpackSource(source) as ModelBytes, withSignal(call, { ...rest, ...(progress && { onProgress: (one: unknown) => send({ type: "progress", id: call.id, progress: one }, []) }) } as LoadOptions));
      return keep(modelMethods(model), stateOf(model));
    },
    estimate: (_, config: never, options: never) => estimate(config, options),
  };
  objects.set(0, loader);

  const modelMethods = (model: Model): Methods => ({
    freePages: () => model.freePages,
    encode: (_, text: string) => model.tokenizer!.encode(text),
    decode: (_, ids: number[]) => model.tokenizer!.decode(ids),
    sequence: (_, options: never) => sequenceHandle(model.sequence(options)),
    restore: (_, bytes: never, options: never) => sequenceHandle(model.restore(bytes, options)),
    restoreFrom(_, options: never) {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const restored = model.restoreFrom(readable, options);
      restored.catch(() => {}); // it is looked at where the next bytes come
      const writer = writable.getWriter();
      writer.closed.catch(() => {});
      return keep({
        // A stream that fails to take more says less than what was wrong with the bytes.
        write: (_, bytes: Uint8Array) => writer.write(bytes).catch(async () => { await restored; }),
        async end() {
          writer.close().catch(() => {});
          return sequenceHandle(await restored);
        },
        abort: () => writer.abort(ABORTED).catch(() => {}),
      }, undefined);
    },
    step(_, entries: readonly { readonly target: number; readonly [name: string]: unknown }[]) {
      const given = entries.map(({ target, ...rest }) => ({ ...rest, sequence: sequences.get(target) }));
      const results = model.step(given as never);
      return [results, given.map(({ sequence }) => sequence!.length)];
    },
    generate(call, prompt: string, options: never) {
      const controller = new AbortController();
      const given = withSignal(call, options) as { signal?: AbortSignal } | undefined;
      given?.signal?.addEventListener("abort", () => controller.abort(given.signal!.reason));
      const generation = model.generate(prompt, { ...given, signal: controller.signal });
      // Its signal lives as long as it does.
      const ended = (): void => void controllers.delete(call.id);
      return keep({
        async next() {
          try {
            const result = await generation.next();
            if (result.done === true) ended();
            return { ...result, reusedTokens: generation.reusedTokens };
          } catch (error) {
            ended();
            throw error;
          }
        },
        return() {
          ended();
          return generation.return();
        },
      }, { seed: generation.seed });
    },
    score: (call, texts: never, options: never) => model.score(texts, withSignal(call, options)),
    verify: (_, ids: never, options: never) => model.verify(ids, options),
    trace: (_, ids: never, options: never) => model.trace(ids, options),
    distribution: (_, logits: never, options: never, history: never) => model.distribution(logits, options, history),
    dispose: () => model.dispose(),
  });

  const sequenceHandle = (sequence: Sequence): Handle => {
    const handle = keep(sequenceMethods(sequence), { length: sequence.length, seed: sequence.seed, reusedTokens: sequence.reusedTokens });
    sequences.set(handle.kvasmHandle, sequence);
    return handle;
  };

  const sequenceMethods = (sequence: Sequence): Methods => ({
    prefill: (_, ids: never, options: never) => [sequence.prefill(ids, options), sequence.length],
    decode: (_, id: never) => [sequence.decode(id), sequence.length],
    append: (_, ids: never) => [sequence.append(ids), sequence.length],
    sample: (_, options: never) => [sequence.sample(options), sequence.length],
    score: (_, ids: never) => [sequence.score(ids), sequence.length],
    truncate: (_, length: never) => [sequence.truncate(length), sequence.length],
    ids: () => sequence.ids,
    fork: () => sequenceHandle(sequence.fork()),
    save: () => sequence.save(),
    saveTo() {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const saved = sequence.saveTo(writable);
      saved.catch(() => {}); // the reader sees it
      const reader = readable.getReader();
      return keep({ next: () => reader.read(), return: () => reader.cancel(ABORTED).catch(() => {}) }, undefined);
    },
    dispose: () => sequence.dispose(),
  });

  const answer = async (call: Call): Promise<void> => {
    const { id, target, method, args } = call;
    try {
      const methods = objects.get(target);
      if (methods === undefined || !Object.hasOwn(methods, method)) throw new KvasmError("disposed", `${method}: the object was disposed, or is not of this model.`);
      const value = await methods[method](call, ...args as never[]);
      if (method === "dispose") {
        objects.delete(target);
        sequences.delete(target);
      }
      send({ type: "value", id, value }, buffersOf(value));
    } catch (error) {
      send({ type: "error", id, error: packError(error, error === ABORTED) }, []);
    } finally {
      // A generation lives on after the call that began it, and so does its signal.
      if (method !== "generate") controllers.delete(id);
    }
  };

  return (request) => {
    if (request.type === "call") void answer(request);
    else if (request.type === "abort") controllers.get(request.id)?.abort(ABORTED);
    else if (request.type === "drop") objects.delete(request.target);
  };
}

/** Stands for the caller's reason, which stays on its side. */
const ABORTED = new Error("aborted");

function stateOf({ config, tokenizer, weights, cache, relaxedSimd, threads, notes, contextLength, pages, memory }: Model): object {
  return { config, vocabSize: tokenizer?.vocabSize, weights, cache, relaxedSimd, threads, notes, contextLength, pages, memory };
}

/** The buffers of logits and the like, which are copies already: they are handed over. */
function buffersOf(value: unknown, found: ArrayBufferLike[] = []): ArrayBufferLike[] {
  if (ArrayBuffer.isView(value)) {
    if (!found.includes(value.buffer)) found.push(value.buffer);
  } else if (Array.isArray(value)) {
    for (const one of value) if (typeof one === "object") buffersOf(one, found);
  } else if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    for (const one of Object.values(value)) buffersOf(one, found);
  }
  return found;
}
