type Message = { module: WebAssembly.Module; memory: WebAssembly.Memory } | { header: number; part: number };

/** True when all is done, and the worker may end. */
type Take = (message: Message) => boolean;

/**
 * What a worker runs: an instance over the shared memory, then its part of every job. A worker is made of this function's text, so that no
 * bundler has to find a file; dist/threads-worker.js is the same for pages whose policy forbids that. It must stand alone: nothing outside
 * of it is there.
 */
export function runWorker(listen: (take: Take) => void): void {
  let runThread: (header: number, part: number) => void;
  listen((message) => {
    if ("module" in message) {
      runThread = new WebAssembly.Instance(message.module, { env: { memory: message.memory } }).exports["runThread"] as typeof runThread;
      return false;
    }
    runThread(message.header, message.part);
    return true;
  });
}

/** In a web worker. Stands alone as well. */
export function listenInPage(take: Take): void {
  const scope = globalThis as unknown as { onmessage: (event: { data: Message }) => void; close(): void };
  scope.onmessage = ({ data }) => {
    if (take(data)) scope.close();
  };
}

export const WEB_SCRIPT = `(${runWorker})(${listenInPage})`;
