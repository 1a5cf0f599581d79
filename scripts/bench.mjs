/** `npm run bench`: installs and builds what is missing, then measures. Arguments after -- go to `kvasm bench`. */
import { ensure, main } from "./ensure.mjs";

main(import.meta.url, async () => {
  await ensure();
  const command = new URL("../dist/cli.js", import.meta.url);
  process.argv = [process.argv[0], command.pathname, "bench", ...process.argv.slice(2)];
  await import(command.href);
});
