/**
 * Many loads from a hub that misbehaves at seeded random points; the suite hub-faults makes 40 of them.
 *   node tests/hub/faults.mjs [RUNS, default 500] [FIRST SEED, default 1]
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "../../scripts/build.mjs";
import { install } from "../../scripts/ensure.mjs";
import { root } from "../../scripts/programs.mjs";
import { compileSuite, findSuites } from "../../scripts/testing/suites.mjs";

const [runs = "500", seed = "1"] = process.argv.slice(2);
await install();
await build();
const suite = findSuites("hub-faults.host").find(({ name }) => name === "hub-faults.host");
const file = await compileSuite(suite, "host");
const child = spawn(process.execPath, [join(root, file)], { stdio: "inherit", env: { ...process.env, KVASM_HUB_RUNS: runs, KVASM_HUB_SEED: seed } });
child.on("close", (code) => { process.exitCode = code ?? 1; });
