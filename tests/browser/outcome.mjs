/** What a page leaves as window.kvasmOutcome, within `seconds`; the page is closed then. */
export async function outcomeOf(browser, address, seconds) {
  const page = await browser.newPage();
  try {
    await page.goto(address, { timeout: 30_000 });
    await page.waitForFunction("window.kvasmOutcome !== undefined", { timeout: seconds * 1000, polling: 50 });
    return await page.evaluate("window.kvasmOutcome");
  } finally {
    await page.close().catch(() => {});
  }
}
