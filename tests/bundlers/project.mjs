/** Makes a project as the page describes it, with the packed package in it, and builds it. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { npm, root, run as start } from "../../scripts/programs.mjs";
import { capture } from "../../scripts/testing/processes.mjs";
import { programs } from "./projects.mjs";

/** Packs the package, and resolves to a folder outside the repository that holds it unpacked, for makeProject. */
export async function unpack() {
  const folder = mkdtempSync(join(tmpdir(), "kvasm-bundlers-"));
  await npm(["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { stdio: ["ignore", "ignore", "inherit"] });
  const [tarball] = readdirSync(folder);
  await start("tar", ["xzf", join(folder, tarball), "-C", folder]);
  return folder;
}

/** The project's folder: its files, and node_modules with kvasm and, linked file by file, what tests/bundlers (or `packages`) installs. */
export async function makeProject(unpacked, name, files, manifest = { type: "module" }, packages = "tests/bundlers") {
  const folder = join(unpacked, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  // Not a link to the folder: compilers resolve links, and would look for kvasm in the repository.
  await start("cp", ["-al", join(root, packages, "node_modules"), join(folder, "node_modules")]);
  cpSync(join(unpacked, "package"), join(folder, "node_modules/kvasm"), { recursive: true });
  for (const [path, text] of Object.entries({ "package.json": JSON.stringify({ name: "app", private: true, ...manifest }), ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Runs the page's commands, one after the other; resolves to what they printed, or throws with it. */
export async function run(folder, commands, own = {}) {
  const outputs = [];
  const known = { ...programs, ...own };
  for (const line of commands) {
    const [name, ...args] = line.split(" ");
    const [command, ...rest] = name in known ? [...known[name], ...args] : ["sh", "-c", line];
    const { code, output } = await capture(command, rest, { cwd: folder, timeout: 240_000, env: { NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1" } });
    if (code !== 0) throw new Error(`${line}: exit ${code}\n${output.slice(-4000)}`);
    outputs.push(output);
  }
  return outputs.join("\n");
}

export async function build(folder, commands, own) {
  await run(folder, commands, own);
  if (!existsSync(join(folder, "dist")) && !existsSync(join(folder, ".next"))) throw new Error(`nothing was built by ${commands.join("; ")}`);
}
