/** `npm run bench`: installs and builds what is missing, then measures. Arguments after -- go to `kvasm bench`. */
import { fileURLToPath } from "node:url";
import { ensure } from "./ensure.mjs";
import { main } from "./programs.mjs";

main(import.meta.url, async () => {
  await ensure();
  const command = new URL("../dist/cli.js", import.meta.url);
  process.argv = [process.argv[0], fileURLToPath(command), "bench", ...process.argv.slice(2)];
  await import(command.href);
});
