// Runs the suite that ?suite= names. Results are kept in window.kvasmResults, where the driver reads them.
const results = { lines: [], errors: [], done: false };
window.kvasmResults = results;
window.addEventListener("error", (event) => results.errors.push(`${event.message} (${event.filename}:${event.lineno})`));
window.addEventListener("unhandledrejection", (event) => results.errors.push(`unhandled rejection: ${event.reason?.stack ?? event.reason}`));

try {
  await import(`/${new URLSearchParams(location.search).get("suite")}`);
  await globalThis.kvasmTests.run((line) => results.lines.push(line));
} catch (error) {
  results.errors.push(String(error?.stack ?? error));
}
// What is thrown in a task that a test left behind still counts.
await new Promise((resolve) => setTimeout(resolve, 20));
results.done = true;
