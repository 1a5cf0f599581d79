/** The error of a page whose content security policy does not allow WebAssembly: it names what to allow. */
import assert from "node:assert/strict";

export async function runForbiddenPage(browser, origin) {
  const began = performance.now();
  const name = "an engine error that names 'wasm-unsafe-eval'";
  const page = await browser.newPage();
  try {
    await page.goto(`${origin}/tests/browser/forbidden.html`);
    await page.waitForFunction("window.kvasmOutcome !== undefined", { timeout: 30_000, polling: 50 });
    const outcome = await page.evaluate("window.kvasmOutcome");
    assert.deepEqual([outcome.code, outcome.argument], ["engine", "wasm"], JSON.stringify(outcome));
    assert.match(outcome.message, /'wasm-unsafe-eval'.*Content-Security-Policy/);
    return { passed: 1, failures: [], seconds: (performance.now() - began) / 1000, details: "" };
  } catch (error) {
    return { passed: 0, failures: [name], seconds: (performance.now() - began) / 1000, details: error.message };
  } finally {
    await page.close().catch(() => {});
  }
}
