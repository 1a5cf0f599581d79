/** Downloads a model in a process of its own, to be killed: node tests/hub/pull-child.mjs ENDPOINT FOLDER ID. Prints its commit when all is here. */
import { pull } from "../../dist/hub.js";

const [endpoint, cacheDir, id] = process.argv.slice(2);
const options = { endpoint, cacheDir, token: false, [Symbol.for("kvasm.hubTest")]: { pieceBytes: 1 << 16, timing: { firstPause: 2 } } };
process.stdout.write("begun\n");
const { commit } = await pull(id, options);
process.stdout.write(`${commit}\n`);
