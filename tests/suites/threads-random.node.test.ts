/** The short form of tests/threads/faults.mjs: threads under faults at seeded random points, and a process that ends by itself. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { repositoryUrl } from "../support/files.ts";
import { assert, describe, it } from "../support/harness.ts";

const command = fileURLToPath(repositoryUrl("tests/threads/faults.mjs"));

describe("threads under faults", () => {
  it("end in the bits of one thread or in a typed error, and the process by itself", { timeout: 120_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [command, "30", "5"], { timeout: 110_000 });
    assert.match(stdout, /^30 runs: /);
    assert.ok(stdout.split(",").length >= 6, stdout);
  });
});
