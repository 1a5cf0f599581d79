/** Deno Deploy's restrictions as flags of `deno run`, and what JSR would say of a clone that was built as documented. */
import { join } from "node:path";
import { root, run as start } from "../../scripts/programs.mjs";
import { makeProject, run } from "../bundlers/project.mjs";
import { programs } from "../bundlers/projects.mjs";
import { serve } from "../bundlers/serve.mjs";
import { startServer } from "../bundlers/server-process.mjs";

/** The program itself: what starts it from npm does not pass on that it should end. */
const deno = join(root, "node_modules/@deno/linux-x64-glibc/deno");

export async function runDeploy({ documented, unpacked, expected, plain, test }) {
  const { "src/story.js": program } = documented.get("The program").files;
  const { files, commands: [command] } = documented.get("Deno Deploy");
  const folder = await makeProject(unpacked, "deploy", { "src/story.js": program, ...files }, { type: "module" }, "tests/edge");
  const models = await serve({ "/plain/": plain, "/gz/": join(folder, "node_modules/kvasm/models/stories") });
  try {
    for (const model of ["plain", "gz"]) {
      await test(`writes with the network alone, ${model}`, async () => {
        const [, ...args] = command.split(" ");
        const server = await startServer([deno, ...args, `${models.origin}/${model}/`], folder);
        try {
          const text = await (await fetch(server.origin, { signal: AbortSignal.timeout(60_000) })).text();
          if (text !== expected) throw new Error(`${text}\n${server.output()}`);
        } finally {
          await server.close();
        }
      });
    }
  } finally {
    await models.close();
  }
}

/** A clone has what git has: dist/ and node_modules/ are what the build and npm put there. */
export async function runPublish({ documented, unpacked, test }) {
  const [built, publish] = documented.get("Publishing to JSR").commands;
  await test("a dry run passes in a clone", async () => {
    const clone = join(unpacked, "clone");
    await start("git", ["clone", "--quiet", root, clone]);
    await start("cp", ["-al", join(root, "node_modules"), join(clone, "node_modules")]);
    await run(clone, [built]);
    const output = await run(clone, [publish], { deno: programs.deno });
    for (const file of ["dist/index.js", "dist/kvasm.wasm", "dist/types/index.deno.d.ts", "models/stories/model.safetensors.gz", "dist/stories.js"]) {
      if (!output.includes(file)) throw new Error(`${file} would not be published:\n${output}`);
    }
  });
}
