// What tests/browser/hub-page.mjs calls in a page.
const HUB_TEST = Symbol.for("kvasm.hubTest");
const IDS = [3, 1, 4, 1, 5];

/** Pieces of a MiB, so that a file of 12 MiB is a dozen requests. */
const options = (more) => ({ [HUB_TEST]: { pieceBytes: 1 << 20, timing: { firstPause: 5, longest: 50 } }, ...more });

/** What comes of it, or the error, as what can be handed to the driver. */
async function outcome(work) {
  try {
    return await work();
  } catch (error) {
    return { code: error.code ?? error.name, message: error.message, value: error.value };
  }
}

globalThis.kvasm = {
  /** Logits of a few tokens. */
  load: (id, more) => outcome(async () => {
    const { load } = await import("/dist/browser.js");
    globalThis.kvasm.progress = [];
    const model = await load(id, options({ onProgress: ({ loaded, total, download }) => globalThis.kvasm.progress.push({ loaded, total, download }), ...more }));
    const logits = [...model.sequence().prefill(IDS)];
    model.dispose();
    return { logits };
  }),
  /** The same in a worker. */
  loadInWorker: (id, more) => new Promise((resolve) => {
    const worker = new Worker(new URL("page.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      resolve(data);
      worker.terminate();
    };
    worker.postMessage([id, more]);
  }),
};

if (typeof document === "undefined") onmessage = async ({ data: [id, more] }) => postMessage(await kvasm.load(id, more));
