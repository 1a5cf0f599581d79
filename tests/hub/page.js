// What tests/browser/hub-page.mjs calls in a page.
const HUB_TEST = Symbol.for("kvasm.hubTest");
const IDS = [3, 1, 4, 1, 5];

/** Pieces of a MiB, so that a file of 12 MiB is a dozen requests. */
const options = (more, test = { pieceBytes: 1 << 20, timing: { firstPause: 5, longest: 50 } }) => ({ [HUB_TEST]: test, ...more });

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
  load: (id, more, test) => outcome(async () => {
    const { load } = await import("/dist/browser.js");
    globalThis.kvasm.progress = [];
    const model = await load(id, options({ onProgress: ({ loaded, total, download }) => globalThis.kvasm.progress.push({ loaded, total, download }), ...more }, test));
    const logits = [...model.sequence().prefill(IDS)];
    model.dispose();
    return { logits };
  }),
  /** A function of kvasm/hub. */
  manage: (name, ...given) => outcome(async () => (await import("/dist/hub.browser.js"))[name](...given)),
  /** Other bytes in a part of a blob, as many as before. */
  damage: async () => {
    const change = async (folder) => {
      for await (const [name, handle] of folder.entries()) {
        if (handle.kind === "directory") {
          if (await change(handle)) return true;
        } else if (/^\d{4,}-\d+$/.test(name)) {
          const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
          bytes[1000] ^= 1;
          const writable = await handle.createWritable();
          await writable.write(bytes);
          await writable.close();
          return true;
        }
      }
      return false;
    };
    return change(await navigator.storage.getDirectory());
  },
  /** What `load` gives, of a model in a worker. */
  connect: (id, more) => outcome(async () => {
    const { connect } = await import("/dist/worker.browser.js");
    let reports = 0;
    const model = await connect(id, { onProgress: ({ download }) => { if (download !== undefined) reports++; }, ...more });
    const sequence = await model.sequence();
    const logits = [...await sequence.prefill(IDS)];
    await model.dispose();
    return { logits, reports };
  }),
};
