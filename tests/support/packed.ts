/** The package as a user gets it: packed, installed into an empty project outside the repository, without a network. */
import { mkdir, mkdtemp, readdir, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { assert } from "./harness.ts";
import { root, run } from "./command.ts";
import type { Finished } from "./command.ts";

export interface Packed {
  /** Temporary; the caller removes it. */
  readonly folder: string;
  /** In it: a project of ES modules with kvasm in its node_modules. */
  readonly project: string;
  readonly filename: string;
  /** Bytes of the tarball. */
  readonly size: number;
  readonly files: readonly { path: string; mode: number }[];
}

export async function pack(): Promise<Packed> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "kvasm-packaging-")));
  const project = join(folder, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  const npm = (args: string[], cwd: string): Promise<Finished> => {
    const own = process.env["npm_execpath"];
    // An empty cache: what is not in the tarball cannot come from elsewhere.
    const env = { npm_config_cache: join(folder, "npm-cache") };
    if (own !== undefined && basename(own) === "npm-cli.js") return run(process.execPath, [own, ...args], { cwd, env });
    return run("npm", args, { cwd, env });
  };
  const [packed] = JSON.parse(await succeeds(npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root)));
  await succeeds(npm(["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, packed.filename)], project));
  const installed = (await readdir(join(project, "node_modules"))).filter((name) => !name.startsWith("."));
  assert.deepEqual(installed, ["kvasm"], "it depends on nothing");
  return { folder, project, filename: packed.filename, size: packed.size, files: packed.files };
}

/** What a program printed; an error if it ended with another code than 0. */
export async function succeeds(finished: Promise<Finished>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  assert.equal(code, 0, `exit ${code}\n${stdout}\n${stderr}`);
  return stdout;
}
