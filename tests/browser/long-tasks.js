/**
 * Loads a model and generates, in a worker; or (?here) on this thread, with a prompt in one synchronous call. Keeps the long tasks of the
 * page's main thread.
 */
const tasks = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) tasks.push({ startTime, duration });
}).observe({ type: "longtask", buffered: true });

const MODEL = "/model/";
const isHere = new URLSearchParams(location.search).has("here");

async function run() {
  const model = isHere ? await (await import("/dist/browser.js")).load(MODEL) : await (await import("/dist/worker.browser.js")).connect(MODEL);
  const loaded = performance.now();
  const prompt = Array.from({ length: 64 }, (_, i) => 7 * i + 1);
  if (isHere) model.sequence().prefill([...prompt, ...prompt, ...prompt, ...prompt]);
  let tokens = 0;
  for await (const _ of model.generate(prompt, { maxTokens: 12, ignoreEos: true, seed: 1 })) tokens++;
  await model.dispose();
  await new Promise((resolve) => setTimeout(resolve, 200)); // entries come after their task
  return { tokens, loaded, tasks };
}

window.kvasmOutcome = run().catch((error) => ({ error: String(error) }));
