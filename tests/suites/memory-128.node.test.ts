/**
 * GPT-2 124M in int4 within 128 MiB in all: linear memory, JavaScript's heap and what it holds outside. The weights are random, of
 * GPT-2's shape, in shards of at most 25 MiB; the tokenizer is GPT-2's own. A child process loads, prefills and generates under a
 * meter.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { estimate } from "../../bindings/index.ts";
import { convert } from "../../bindings/convert/index.ts";
import { randomModel } from "../../bindings/bench/random-model.ts";
import { SHAPES } from "../../bindings/bench/shapes.ts";
import { root, run } from "../support/command.ts";
import { after, assert, before, describe, it } from "../support/harness.ts";

const MIB = 2 ** 20;
const LIMIT = 128 * MIB;

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvasm-memory-"));
  await convert(randomModel(SHAPES["124M"]), folder, { weights: "q4", shardBytes: 25 * MIB });
}, { timeout: 240_000 });
after(() => rm(folder, { recursive: true, force: true }));

interface Metered {
  /** Bytes at the worst moment of all that was sampled: linear memory and JavaScript's own. */
  peak: number;
  linear: number;
  heapUsed: number;
  external: number;
  /** What the process's resident memory grew by at most; null where the system does not say. */
  residentGrowth: number | null;
  largestChunk: number;
  tokens: number;
  memory: Record<string, number>;
}

async function metered(options: object): Promise<Metered> {
  const { code, stdout, stderr } = await run(process.execPath, [join(root, "tests/support/metered.mjs"), folder, JSON.stringify(options)]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Metered;
}

describe("GPT-2 124M in 128 MiB", () => {
  it("comes in parts of at most 25 MiB", async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
    assert.ok(names.length > 1);
    for (const name of names) assert.ok((await stat(join(folder, name))).size <= 25 * MIB, name);
  });

  it("in int4 with a context of 512 tokens in an int8 cache", { timeout: 240_000 }, async () => {
    const options = { cache: "q8", contextLength: 512, maxSequences: 1 } as const;
    const { fits, memory } = await estimate(SHAPES["124M"] as object, { weights: "q4", ...options, limit: LIMIT });
    assert.ok(fits);
    const result = await metered(options);
    assert.deepEqual(result.memory, { ...memory }, "what estimate said before");
    assert.equal(result.linear, memory.total);
    assert.equal(result.tokens, 512);
    assert.ok(result.largestChunk <= MIB, `${result.largestChunk}`);
    const shown = `${(result.peak / MIB).toFixed(1)} MiB: linear memory ${(result.linear / MIB).toFixed(1)}, heap ${(result.heapUsed / MIB).toFixed(1)}, else ${((result.external - result.linear) / MIB).toFixed(1)}`;
    assert.ok(result.peak <= LIMIT, shown);
    assert.ok(result.peak > result.linear + 5 * MIB, `the meter sees JavaScript's own memory (${shown})`);
    // What the process grew by has machine code and Node's own fetch in it as well, and what its allocator keeps.
    if (existsSync("/proc/self/status")) assert.ok(result.residentGrowth! <= LIMIT + 16 * MIB, `${(result.residentGrowth! / MIB).toFixed(1)} MiB resident`);
  });

  it("not with 512 tokens in f32: the meter fails, as estimate says", { timeout: 240_000 }, async () => {
    const options = { cache: "f32", contextLength: 512, maxSequences: 1 } as const;
    assert.equal((await estimate(SHAPES["124M"] as object, { weights: "q4", ...options, limit: LIMIT - 25 * MIB })).fits, false);
    const result = await metered(options);
    assert.ok(result.peak > LIMIT, `${(result.peak / MIB).toFixed(1)} MiB`);
  });
});
