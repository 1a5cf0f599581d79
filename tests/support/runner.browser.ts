/**
 * What suites use of `node:test`, for a page: groups, tests one after another in the order written, hooks, time limits.
 * `globalThis.kvasmTests.run` runs what was collected and tells each result to its argument.
 */
export interface TestOptions {
  /** Milliseconds. */
  timeout?: number;
}

export type TestLine = { state: "here" | "passed" | "failed"; name: string; error?: string };

type Body = () => void | Promise<void>;
interface Test { name: string; body: Body; timeout: number }
interface Group {
  name: string;
  parts: (Group | Test)[];
  before: Body[]; after: Body[]; beforeEach: Body[]; afterEach: Body[];
}

/** A test that says nothing else may take this long; a promise that never settles must not hang the page. */
const DEFAULT_TIMEOUT = 60_000;

const group = (name: string): Group => ({ name, parts: [], before: [], after: [], beforeEach: [], afterEach: [] });
const root = group("");
let current = root;

export function describe(name: string, body: () => void): void {
  const outer = current;
  current = group(name);
  outer.parts.push(current);
  try {
    body();
  } finally {
    current = outer;
  }
}

export function it(name: string, body: Body): void;
export function it(name: string, options: TestOptions, body: Body): void;
export function it(name: string, optionsOrBody: TestOptions | Body, maybeBody?: Body): void {
  const body = typeof optionsOrBody === "function" ? optionsOrBody : maybeBody!;
  const timeout = typeof optionsOrBody === "function" ? undefined : optionsOrBody.timeout;
  current.parts.push({ name, body, timeout: timeout ?? DEFAULT_TIMEOUT });
}

export const before = (body: Body): void => void current.before.push(body);
export const after = (body: Body): void => void current.after.push(body);
export const beforeEach = (body: Body): void => void current.beforeEach.push(body);
export const afterEach = (body: Body): void => void current.afterEach.push(body);

async function within(milliseconds: number, body: Body): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${milliseconds} ms`)), milliseconds);
  });
  try {
    await Promise.race([Promise.resolve().then(body), limit]);
  } finally {
    clearTimeout(timer);
  }
}

async function runAll(bodies: Body[]): Promise<void> {
  for (const body of bodies) await within(DEFAULT_TIMEOUT, body);
}

const described = (error: unknown): string => {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const text = String(error);
  return stack.includes(text) ? stack : `${text}\n${stack}`;
};

async function runGroup(it: Group, path: string[], outer: Group[], tell: (line: TestLine) => void): Promise<void> {
  const chain = [...outer, it];
  let broken: unknown;
  let failed = false;
  try {
    await runAll(it.before);
  } catch (error) {
    failed = true;
    broken = error;
  }
  for (const part of it.parts) {
    const names = [...path, part.name];
    if ("parts" in part) {
      if (failed) part.before.unshift(() => { throw broken; });
      await runGroup(part, names, chain, tell);
      continue;
    }
    const name = names.join(" › ");
    tell({ state: "here", name });
    try {
      if (failed) throw broken;
      for (const group of chain) await runAll(group.beforeEach);
      try {
        await within(part.timeout, part.body);
      } finally {
        for (const group of [...chain].reverse()) await runAll(group.afterEach);
      }
      tell({ state: "passed", name });
    } catch (error) {
      tell({ state: "failed", name, error: described(error) });
    }
  }
  try {
    await runAll(it.after);
  } catch (error) {
    const name = [...path, "after"].join(" › ");
    tell({ state: "here", name });
    tell({ state: "failed", name, error: described(error) });
  }
}

declare global {
  // With let or const it would not be a property of globalThis.
  var kvasmTests: { run(tell: (line: TestLine) => void): Promise<void> } | undefined;
}

globalThis.kvasmTests = { run: (tell) => runGroup(root, [], [], tell) };
