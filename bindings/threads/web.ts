import { WEB_SCRIPT } from "./script.ts";

export interface ThreadWorker {
  post(message: object): void;
  end(): void;
}

/** A web worker of the script's text, or of the address that the page gives. */
export function spawnWeb(failed: (reason: string) => void, url: string | URL | undefined): ThreadWorker {
  const made = url === undefined ? URL.createObjectURL(new Blob([WEB_SCRIPT], { type: "text/javascript" })) : undefined;
  const worker = new Worker(made ?? url!);
  worker.onerror = (event) => {
    event.preventDefault?.();
    failed(`a worker failed (${event.message || `its script ${made ?? String(url)} was not loaded: a policy or a wrong address forbids it; see workerUrl`})`);
  };
  worker.onmessageerror = () => failed("a worker cannot take the module or the shared memory");
  return {
    post: (message) => worker.postMessage(message),
    end() {
      worker.terminate();
      if (made !== undefined) URL.revokeObjectURL(made);
    },
  };
}
