/** Leaves what threads did as window.kvasmOutcome: on the page's main thread, and in a worker of it. */
import { load } from "/dist/browser.js";
import { connect } from "/dist/worker.browser.js";

const DEFAULT = {}, BY_ADDRESS = { workerUrl: new URL("/dist/threads-worker.js", location.href).href };

async function outcome(open, options) {
  const source = new URL("/models/stories/", location.href);
  const began = performance.now();
  const model = await open(source, options);
  let text = "";
  for await (const item of model.generate("Once upon a time", { maxTokens: 24, temperature: 0 })) text += item.text;
  const { identical, ways } = await model.verify(Array.from({ length: 40 }, (_, i) => 100 + i));
  const { threads } = model;
  await model.dispose();
  return { threads, text, identical, ways: ways.map(({ name }) => name), milliseconds: performance.now() - began };
}

async function all() {
  return {
    isolated: crossOriginIsolated,
    one: await outcome(load, {}),
    page: await outcome(load, { threads: 3, ...DEFAULT }),
    pageByAddress: await outcome(load, { threads: 2, ...BY_ADDRESS }),
    worker: await outcome(connect, { threads: 2, ...BY_ADDRESS }),
  };
}

all().then((result) => { window.kvasmOutcome = result; }, (error) => { window.kvasmOutcome = { error: String(error?.stack ?? error) }; });
