/** `npm start`: installs and builds what is missing, then writes a story. Arguments after -- go to `kvasm generate`; the prompt is shown with its story. */
import { fileURLToPath } from "node:url";
import { ensure } from "./ensure.mjs";
import { main } from "./programs.mjs";

main(import.meta.url, async () => {
  await ensure();
  performance.mark("kvasm"); // the command's times begin here, after installing and building
  const command = new URL("../dist/cli.js", import.meta.url);
  process.argv = [process.argv[0], fileURLToPath(command), "generate", "--echo", ...process.argv.slice(2)];
  await import(command.href);
});
