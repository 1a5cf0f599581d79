/** The model, in a module worker. Messages in: write, stop, verify. Out: progress, ready, token, done, verified, error. */
import { load } from "../../dist/index.js";

const began = performance.now();
const ready = load(undefined, { onProgress: ({ loaded, total }) => postMessage({ type: "progress", loaded, total }) });
ready.then(() => postMessage({ type: "ready", ms: performance.now() - began }), fail);

let controller = new AbortController();
let lastIds = [];

self.onmessage = async ({ data }) => {
  try {
    const model = await ready;
    if (data.type === "write") await write(model, data);
    else if (data.type === "stop") controller.abort("stopped");
    else {
      const start = performance.now();
      const report = model.verify(lastIds);
      postMessage({ type: "verified", report, ms: performance.now() - start });
    }
  } catch (error) {
    fail(error);
  }
};

async function write(model, { prompt, options }) {
  controller = new AbortController();
  const { signal } = controller;
  const promptIds = Array.from(model.tokenizer.encode(prompt));
  const ids = [];
  const start = performance.now();
  let first = start;
  let finish = "stopped";
  try {
    for await (const item of model.generate(prompt, { ...options, signal })) {
      if (ids.push(item.id) === 1) first = performance.now();
      if (item.finish) finish = item.finish;
      postMessage({ type: "token", text: item.text });
    }
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
  lastIds = [...promptIds, ...ids].slice(0, model.config.n_positions);
  postMessage({
    type: "done", finish, promptTokens: Math.max(promptIds.length, 1), tokens: ids.length,
    prefillMs: first - start, decodeMs: performance.now() - first, memoryBytes: model.memory.total,
  });
}

// An Error loses its class on its way through postMessage; the message is what a person reads.
function fail(error) {
  postMessage({ type: "error", message: error instanceof Error ? error.message : String(error) });
}
