/** The page: draws what the worker says. The model never runs on this thread, so the page stays fluid. */
const worker = new Worker("worker.js", { type: "module" });
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
const handlers = {
  progress({ loaded, total }) {
    if (total) progress.value = loaded / total;
    show(`Loading the model… ${(loaded / 2 ** 20).toFixed(1)}${total ? ` of ${(total / 2 ** 20).toFixed(1)}` : ""} MiB`);
  },
  ready({ ms }) {
    progress.hidden = true;
    show(`Ready. The model was loaded in ${(ms / 1000).toFixed(2)} s.`);
    setBusy(false);
    stop.disabled = true;
  },
  token(item) {
    text.textContent += item.text;
  },
  done({ finish, promptTokens, tokens, prefillMs, decodeMs, memoryBytes }) {
    setBusy(false);
    const why = { length: "reached the number of tokens", eos: "the story ended", stop: "found the stop text", context: "the context is full", stopped: "stopped" }[finish];
    show(`${tokens} tokens with seed ${seed.value}: ${why}.`);
    element("prefill").textContent = per(promptTokens, prefillMs);
    element("decode").textContent = per(tokens - 1, decodeMs);
    element("first").textContent = `${Math.round(prefillMs)} ms`;
    element("memory").textContent = `${(memoryBytes / 2 ** 20).toFixed(1)} MiB`;
    figures.hidden = false;
    identical.textContent = "";
    verify.disabled = tokens === 0;
  },
  verified({ report, ms }) {
    verify.disabled = false;
    identical.textContent = report.identical
      ? `the same in ${report.ways.length} ways (${Math.round(ms)} ms)`
      : `differs: ${report.ways.filter((way) => !way.identical).map((way) => way.name).join(", ")}`;
  },
  error({ message }) {
    progress.hidden = true;
    caret.hidden = true;
    stop.disabled = true;
    write.disabled = !busy;
    busy = false;
    show(message, true);
  },
};
worker.onmessage = ({ data }) => handlers[data.type](data);
worker.onerror = (event) => handlers.error({ message: event.message || "The worker cannot start. Is dist/ built (npm run build), and served with the page?" });

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
  worker.postMessage({
    type: "write", prompt: prompt.value,
    options: { seed: number("seed"), temperature: number("temperature"), topK: number("topK"), maxTokens: number("maxTokens") },
  });
});
stop.addEventListener("click", () => worker.postMessage({ type: "stop" }));
dice.addEventListener("click", () => { seed.value = crypto.getRandomValues(new Uint32Array(1))[0]; });
verify.addEventListener("click", () => {
  verify.disabled = true;
  identical.textContent = "computing…";
  worker.postMessage({ type: "verify" });
});
