/** The benchmark of loading, on a tiny model: what it counts, and that its server is as slow as it is told to be. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { root } from "../support/command.ts";
import { assert, describe, it } from "../support/harness.ts";

interface Row {
  runtime: string;
  from: string;
  engine: string;
  seconds: { median: number; min: number };
  steps: Record<string, number>;
}

describe("bench/commands/loading.ts", () => {
  it("times Node from disk and from a server of the given rate, against reading alone", { timeout: 240_000 }, async () => {
    const run = promisify(execFile)(process.execPath, ["bench/run.mjs", "bench/commands/loading.ts", "--shape", "tiny", "--only", "Node", "--engines", "kvasm,reading", "--rate", "2", "--repetitions", "1", "--json"], { cwd: root, timeout: 230_000 });
    const { stdout } = await run;
    const { inputs, rows } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { inputs: { bytes: { kvasm: number } }; rows: Row[] };
    const find = (from: string, engine: string): Row => rows.find((row) => row.from === from && row.engine === engine)!;
    for (const from of ["disk", "server", "server at 2 MB/s"]) {
      const { imported, read, loaded, token } = find(from, "kvasm").steps;
      assert.ok(0 < imported && imported < read && read <= loaded && loaded <= token, JSON.stringify(find(from, "kvasm")));
      assert.ok(find(from, "reading").steps.read > 0);
    }
    const least = inputs.bytes.kvasm / 2e6;
    for (const engine of ["kvasm", "reading"]) {
      assert.ok(find("server at 2 MB/s", engine).seconds.min > least, `${engine} had ${inputs.bytes.kvasm} bytes at 2 MB/s in ${find("server at 2 MB/s", engine).seconds.min} s`);
    }
  });
});
