/**
 * `node:test` as Node, Deno and Bun have it. The runtimes count differently (Deno counts top-level tests only), so each test
 * also says on a line of its own that it is there and how it ended, if KVASM_TEST_LINES is set; scripts/test.mjs adds those up.
 */
import * as nodeTest from "node:test";

export const { after, afterEach, before, beforeEach } = nodeTest;

export interface TestOptions {
  /** Milliseconds. */
  timeout?: number;
}

type Body = () => void | Promise<void>;

const lines = globalThis.process?.env?.["KVASM_TEST_LINES"] === "1";
const path: string[] = [];

function say(state: "here" | "passed" | "failed", name: string): void {
  if (lines) console.log(`#kvasm ${state} ${name.replaceAll("\n", " ")}`);
}

export function describe(name: string, body: () => void): void {
  nodeTest.describe(name, () => {
    path.push(name);
    try {
      body();
    } finally {
      path.pop();
    }
  });
}

export function it(name: string, body: Body): void;
export function it(name: string, options: TestOptions, body: Body): void;
export function it(name: string, optionsOrBody: TestOptions | Body, maybeBody?: Body): void {
  const body = typeof optionsOrBody === "function" ? optionsOrBody : maybeBody!;
  const options = typeof optionsOrBody === "function" ? {} : optionsOrBody;
  const full = [...path, name].join(" › ");
  say("here", full);
  nodeTest.it(name, options, async () => {
    try {
      await body();
    } catch (error) {
      say("failed", full);
      throw error;
    }
    say("passed", full);
  });
}
