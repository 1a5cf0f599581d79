/**
 * Kills processes while they download; the suite hub-processes kills 6 of them.
 *   node tests/hub/kills.mjs [KILLS, default 60]
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "../../scripts/build.mjs";
import { install } from "../../scripts/ensure.mjs";
import { root } from "../../scripts/programs.mjs";
import { compileSuite, findSuites } from "../../scripts/testing/suites.mjs";

const [kills = "60"] = process.argv.slice(2);
await install();
await build();
const suite = findSuites("hub-processes.host").find(({ name }) => name === "hub-processes.host");
const file = await compileSuite(suite, "host");
const child = spawn(process.execPath, [join(root, file)], { stdio: "inherit", env: { ...process.env, KVASM_HUB_KILLS: kills } });
child.on("close", (code) => { process.exitCode = code ?? 1; });
