/** The page. The model is in a worker that connect starts and never runs on this thread, so the page stays fluid. */
import { connect } from "../../dist/worker.js";

const element = (id) => document.getElementById(id);
const { form, prompt, seed, story, given, text, caret, write, stop, dice, status, figures, progress, verify, identical } =
  new Proxy({}, { get: (_, id) => element(id) });

let busy = true;
function show(message, isError = false) {
  status.textContent = message;
  status.classList.toggle("error", isError);
}
function setBusy(value) {
  busy = value;
  write.disabled = value;
  stop.disabled = !value;
  caret.hidden = !value;
}

const per = (count, ms) => (count > 0 && ms > 0 ? `${Math.round((count * 1000) / ms)} tokens/s` : "–");
const WHY = { length: "reached the number of tokens", eos: "the story ended", stop: "found the stop text", context: "the context is full", stopped: "stopped" };

/** Errors of kvasm say what to do; the message is what a person reads. */
function fail(error) {
  progress.hidden = true;
  caret.hidden = true;
  stop.disabled = true;
  write.disabled = model === undefined;
  busy = false;
  show(error instanceof Error ? error.message : String(error), true);
}

const began = performance.now();
let model;
let controller = new AbortController();
let lastIds = [];
try {
  model = await connect(undefined, {
    onProgress({ loaded, total }) {
      if (total) progress.value = loaded / total;
      show(`Loading the model… ${(loaded / 2 ** 20).toFixed(1)}${total ? ` of ${(total / 2 ** 20).toFixed(1)}` : ""} MiB`);
    },
  });
  progress.hidden = true;
  show(`Ready. The model was loaded in ${((performance.now() - began) / 1000).toFixed(2)} s.`);
  setBusy(false);
  stop.disabled = true;
} catch (error) {
  fail(error);
}

async function tell(promptText, options) {
  const { signal } = controller = new AbortController();
  const promptIds = await model.tokenizer.encode(promptText);
  const ids = [];
  const start = performance.now();
  let first = start;
  let finish = "stopped";
  try {
    for await (const item of model.generate(promptText, { ...options, signal })) {
      if (ids.push(item.id) === 1) first = performance.now();
      if (item.finish) finish = item.finish;
      text.textContent += item.text;
    }
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
  const end = performance.now();
  lastIds = [...promptIds, ...ids].slice(0, model.config.n_positions);
  setBusy(false);
  show(`${ids.length} tokens with seed ${seed.value}: ${WHY[finish]}.`);
  element("prefill").textContent = per(promptIds.length || 1, first - start);
  element("decode").textContent = per(ids.length - 1, end - first);
  element("first").textContent = `${Math.round(first - start)} ms`;
  element("memory").textContent = `${(model.memory.total / 2 ** 20).toFixed(1)} MiB`;
  figures.hidden = false;
  identical.textContent = "";
  verify.disabled = ids.length === 0;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy) return;
  setBusy(true);
  verify.disabled = true;
  given.textContent = prompt.value;
  text.textContent = "";
  story.scrollIntoView({ block: "nearest" });
  const number = (id) => element(id).valueAsNumber;
  show("Writing…");
  tell(prompt.value, { seed: number("seed"), temperature: number("temperature"), topK: number("topK"), maxTokens: number("maxTokens") }).catch(fail);
});
stop.addEventListener("click", () => controller.abort("stopped"));
dice.addEventListener("click", () => { seed.value = crypto.getRandomValues(new Uint32Array(1))[0]; });
verify.addEventListener("click", async () => {
  verify.disabled = true;
  identical.textContent = "computing…";
  const start = performance.now();
  try {
    const report = await model.verify(lastIds);
    identical.textContent = report.identical
      ? `the same in ${report.ways.length} ways (${Math.round(performance.now() - start)} ms)`
      : `differs: ${report.ways.filter((way) => !way.identical).map((way) => way.name).join(", ")}`;
  } catch (error) {
    fail(error);
  }
  verify.disabled = false;
});
