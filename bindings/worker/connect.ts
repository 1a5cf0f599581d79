import { KvasmError, checkInteger, checkOptions, shown } from "../errors.ts";
import type { LoadOptions, ModelBytes } from "../index.ts";
import { SIZE_KEYS } from "../model/layout.ts";
import { checkFunction } from "../model/load.ts";
import { checkSignal } from "../hosts/signal.ts";
import { HUB_KEYS } from "../hub/keys.ts";
import { Connection } from "./connection.ts";
import { isWorker, portOf } from "./ports.ts";
import type { AnyWorker } from "./ports.ts";
import type { Handle } from "./protocol.ts";
import { RemoteModel } from "./remote-model.ts";
import { packSource, refuseFunctions } from "./source.ts";
import { spawn } from "./spawn.ts";

export interface ConnectOptions extends Omit<LoadOptions, "fetch"> {
  /**
   * A worker of your own, whose script is `import { serve } from "kvasm/worker/host"; serve();`. `dispose` then ends the model and not the
   * worker. Default: kvasm starts one, and ends it.
   */
  worker?: AnyWorker | undefined;
  /** Milliseconds within which the worker has to come up. Default 30 000. */
  deadline?: number | undefined;
}

const KEYS = [...SIZE_KEYS, ...HUB_KEYS, "weights", "cache", "wasm", "threads", "workerUrl", "signal", "onProgress", "worker", "deadline"] as const;

/**
 * Loads a model in a worker, so that this thread stays free: as `load` of kvasm, with every call a promise.
 * @throws KvasmError as `load`; `worker` if the worker does not come up within the deadline, fails or ends; `type` for what cannot cross
 */
export async function connect(source?: string | URL | ModelBytes | { worker: AnyWorker }, options?: ConnectOptions): Promise<RemoteModel> {
  if (options === undefined && isWorker((source as { worker?: unknown } | undefined)?.worker)) return connect(undefined, source as ConnectOptions);
  const given = checkOptions<ConnectOptions>("connect options", options, KEYS);
  const { worker, deadline = 30_000, onProgress, wasm } = given;
  const signal = checkSignal(given.signal);
  checkFunction("onProgress", onProgress);
  checkInteger("deadline", deadline, 1, 2 ** 31 - 1);
  if (worker !== undefined && !isWorker(worker)) throw new KvasmError("type", `worker: expected a Worker, got ${shown(worker)}.`, { argument: "worker", value: worker });
  signal?.throwIfAborted();
  const { worker: _, deadline: __, onProgress: ___, signal: ____, ...rest } = given;
  refuseFunctions("connect options", rest);
  const module = await wasm;
  const packed = packSource(source);

  let started: AnyWorker;
  try {
    started = worker ?? await spawn();
  } catch (cause) {
    throw new KvasmError("worker", `worker: cannot be started here (${String(cause)}). Pass one of your own: connect(source, { worker }).`, { argument: "worker", cause });
  }
  const connection = new Connection(portOf(started, worker === undefined));
  try {
    await connection.ready(deadline, signal);
    const options = {
      ...rest, ...(module !== undefined && { wasm: typeof Response === "function" && module instanceof Response ? await module.arrayBuffer() : module }),
      ...(signal && { signal: true }), ...(onProgress && { progress: true }),
    };
    const handle = await connection.call<Handle>(0, "load", [packed.source, options], { signal, onProgress: onProgress as never, transfer: packed.transfer });
    // All had come before the abort reached the worker.
    if (signal?.aborted) {
      if (worker !== undefined) await connection.call(handle.kvasmHandle, "dispose", []);
      throw signal.reason;
    }
    return new RemoteModel(connection, handle, worker === undefined);
  } catch (error) {
    await connection.close(worker === undefined);
    throw error;
  }
}
