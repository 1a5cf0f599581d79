/** One job of engines.mjs in a fresh Node process: node bench/loading/child.mjs JOB. Prints a line of JSON. */
import { firstToken } from "./engines.mjs";

console.log(JSON.stringify({ began: performance.timeOrigin, ...await firstToken(JSON.parse(process.argv[2])) }));
// onnxruntime-web keeps the process alive.
process.exit();
