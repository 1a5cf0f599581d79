/**
 * What suites import: `describe`, `it` and hooks, `assert`, and comparisons of bits. A suite that uses nothing else of its host
 * runs in browsers too; there the build takes `runner.browser.ts` for `runner.ts`, and likewise for `assert.ts` and `files.ts`.
 */
export { after, afterEach, before, beforeEach, describe, it } from "./runner.ts";
export type { TestOptions } from "./runner.ts";
export { assert } from "./assert.ts";
export { differentBits, differingBits, hexBits, sameBits } from "./bits.ts";
