/**
 * The threads of one model: an instance of the module over a shared memory here, and one in each worker, which does its part of every job
 * (assembly/threads). Whatever is missing ends in one thread, and `reason` says what.
 */
import { KvasmError } from "../errors.ts";
import { HEADER_BYTES } from "../wasm/exports.ts";
import type { KvasmExports, ThreadsExports } from "../wasm/exports.ts";
import { checkHost } from "../wasm/engine.ts";
import { checkedInstance, compiled } from "../wasm/instantiate.ts";
import type { Instance as AnyInstance, WasmSource } from "../wasm/instantiate.ts";
import { PAGE_BYTES, unsigned } from "../wasm/memory.ts";
import { cores } from "./cores.ts";
import { guarded } from "./guarded.ts";
import type { TeamState } from "./guarded.ts";
import { threadsModule } from "./module.ts";
import { spawnThread } from "./spawn.ts";
import type { ThreadWorker } from "./spawn.ts";

export interface TeamOptions {
  readonly requested: number | "auto";
  readonly workerUrl: string | URL | undefined;
  readonly wasm: WasmSource | Promise<WasmSource> | undefined;
  /** Lays the model out in an instance that holds nothing: the end of the weights, and of all. */
  readonly layOut: (exports: KvasmExports, header: number, threads: number) => { readonly weightsEnd: number; readonly end: number };
}

interface Instance extends AnyInstance {
  readonly exports: ThreadsExports;
}

/** What `model.threads` says. */
export interface ThreadsReport {
  /** Threads that compute, this one included. */
  readonly used: number;
  readonly requested: number | "auto";
  /** Why `used` is not what was requested; a sentence. */
  readonly reason?: string;
}

/** Milliseconds within which workers have to come up. */
const DEADLINE = 2000;
/** "auto": most threads; and bytes of weights below which a step is too short to be divided. */
const MOST_BY_ITSELF = 8, LEAST_BYTES = 16 * 2 ** 20;

export class Team {
  /** undefined: there is no shared memory; the caller makes an instance for one thread. */
  readonly instance: Instance | undefined;
  /** Threads that scratch is laid out for. */
  readonly most: number;
  readonly #requested: number | "auto";
  readonly #state: TeamState;
  #used = 1;
  #reason: string | undefined;
  #workers: ThreadWorker[];
  #header: number | undefined;

  constructor(requested: number | "auto", most: number, instance?: Instance, workers: ThreadWorker[] = [], state: TeamState = {}, reason?: string) {
    this.#requested = requested;
    this.most = most;
    this.instance = instance;
    this.#workers = workers;
    this.#state = state;
    this.#reason = reason;
  }

  get report(): ThreadsReport {
    return Object.freeze({ used: this.#used, requested: this.#requested, ...this.#reason !== undefined && { reason: this.#reason } });
  }

  /** The cache is initialised: the workers begin to wait for jobs. Resolves when all do, or when it is certain that they do not. */
  async begin(header: number): Promise<void> {
    if (this.instance === undefined || this.#workers.length === 0) return;
    const { exports } = this.instance;
    this.#header = header;
    this.#workers.forEach((worker, i) => worker.post({ header, part: i + 1 }));
    const until = performance.now() + DEADLINE;
    while (exports.readyThreads(header) < this.#workers.length) {
      const reason = this.#state.failure ?? (performance.now() > until ? `workers did not come up within ${DEADLINE} ms` : undefined);
      if (reason !== undefined) {
        this.end();
        this.#state.isAlone = true;
        this.#reason = `${reason}.`;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.use(this.#workers.length + 1);
    this.#used = this.#workers.length + 1;
  }

  /** How many threads do the next jobs; verify compares. */
  use(threads: number): void {
    this.instance!.exports.useThreads(this.#header!, threads);
  }

  /** Ends the workers. May be called twice. */
  end(): void {
    if (this.#header !== undefined) this.instance!.exports.endThreads(this.#header);
    for (const worker of this.#workers) worker.end();
    this.#workers = [];
  }
}

/** @throws KvasmError as load, of the model's size and of the module; everything that threads lack is `reason` instead */
export async function openTeam(options: TeamOptions): Promise<Team> {
  const { requested } = options;
  const alone = (reason: string): Team => new Team(requested, 1, undefined, [], {}, reason);
  if (typeof SharedArrayBuffer !== "function") return alone("There is no SharedArrayBuffer here: a page needs the headers Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy.");
  if ((globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === false) return alone("The page is not isolated: send the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.");
  const most = requested === "auto" ? Math.min(MOST_BY_ITSELF, await cores()) : requested;
  if (most === 1) return alone("The machine has one core.");

  checkHost();
  const source = options.wasm === undefined ? await threadsModule() : await options.wasm;
  if (source === undefined) return alone("This build of kvasm has no module for threads: it is for edge runtimes, service workers or CommonJS.");
  const module = await compiled(source);
  if (WebAssembly.Module.imports(module).length === 0) return alone("The module that was passed as `wasm` is for one thread: pass kvasm.threads.wasm.");

  const { weightsBytes, end } = await layOut(module, options, most);
  if (requested === "auto" && weightsBytes < LEAST_BYTES) return alone("The model is too small to gain by more threads.");
  const pages = Math.ceil(end / PAGE_BYTES);
  let memory: WebAssembly.Memory;
  try {
    // The most is the least: in Safari a shared memory that grows under other threads goes wrong.
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    return alone(`The host gives no shared memory of ${pages * PAGE_BYTES} bytes (${String(cause)}).`);
  }
  const instance = await checkedInstance(module, memory) as Instance;
  if (!maySleep()) instance.exports.forbidSleep();
  const state: TeamState = {};
  const workers: ThreadWorker[] = [];
  let reason: string | undefined;
  try {
    for (let i = 1; i < most; i++) workers.push(await spawnThread((why) => { state.failure ??= why; }, options.workerUrl));
    for (const worker of workers) worker.post({ module, memory });
  } catch (cause) {
    for (const worker of workers.splice(0)) worker.end();
    reason = `Workers cannot be started here (${String(cause)}).`;
  }
  return new Team(requested, most, { module, exports: guarded(instance.exports, state) }, workers, state, reason);
}

/** Bytes of the weights, and the end of all, as the module lays them out in a memory that holds nothing. */
async function layOut(module: WebAssembly.Module, options: TeamOptions, threads: number): Promise<{ weightsBytes: number; end: number }> {
  const scratch = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const { exports } = await checkedInstance(module, scratch);
  const header = unsigned(exports.lowestBase());
  if (header + HEADER_BYTES > 2 * PAGE_BYTES) throw new KvasmError("state", "threads: the module's constants have outgrown two pages. Please report this.");
  const { weightsEnd, end } = options.layOut(exports, header, threads);
  return { weightsBytes: weightsEnd - header, end: Math.max(weightsEnd, end) };
}

function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
    return true;
  } catch {
    return false; // a page's main thread
  }
}

