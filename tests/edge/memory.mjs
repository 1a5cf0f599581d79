/**
 * GPT-2 124M in int4 in workerd, the runtime of Cloudflare's workers, by Miniflare: loaded over HTTP from parts of at most 25 MiB,
 * with the module as a WebAssembly.Module that the host compiled. Locally nothing enforces a worker's 128 MB, so it is measured:
 * the linear memory and the JavaScript heap as the inspector tells it, and what the process's resident memory grows by at most.
 * Prints lines as suites do (scripts/testing/results.mjs). Needs Linux, and Node 22 or later.
 *
 *   node tests/edge/memory.mjs [FOLDER]     FOLDER: a converted model, else one of random weights is made
 */
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const MIB = 2 ** 20;
const LIMIT = 128 * MIB;
const root = fileURLToPath(new URL("../../", import.meta.url));
const dist = join(root, "dist");

/** The files of a folder under an address of the loopback interface. */
async function serve(folder) {
  const server = createServer((request, response) => {
    const file = join(folder, basename(new URL(request.url, "http://localhost").pathname));
    if (!existsSync(file) || statSync(file).isDirectory()) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": statSync(file).size });
    createReadStream(file, { highWaterMark: 65536 }).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { origin: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

async function startWorker() {
  const { Miniflare } = await import("miniflare");
  const modules = [
    { type: "ESModule", path: "meter.js", contents: readFileSync(join(root, "tests/edge/memory-worker.js"), "utf8") },
    { type: "CompiledWasm", path: "kvasm.wasm", contents: readFileSync(join(dist, "kvasm.wasm")) },
    ...readdirSync(dist).filter((name) => name.endsWith(".js") && !/^cli|^bench/.test(name))
      .map((path) => ({ type: "ESModule", path, contents: readFileSync(join(dist, path), "utf8") })),
  ];
  const worker = new Miniflare({ modules, compatibilityDate: "2026-01-01", inspectorPort: 0 });
  const url = await worker.ready;
  return { worker, url };
}

/** The workerd processes that this one has started. */
function workerdProcesses() {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"));
      return name.startsWith("workerd") && Number(parent) === process.pid;
    } catch {
      return false; // it has ended
    }
  });
}

function peakResident(pid) {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
}

/** The heap as V8 counts it, while nothing runs. */
async function heapUsage(worker) {
  const inspector = await worker.getInspectorURL();
  const list = await (await fetch(new URL("/json", String(inspector).replace(/^ws/, "http")))).json();
  const address = list[0]?.webSocketDebuggerUrl ?? String(inspector);
  const socket = new WebSocket(address);
  await new Promise((done, fail) => { socket.onopen = done; socket.onerror = () => fail(new Error(`no inspector at ${address}`)); });
  const answer = new Promise((done) => { socket.onmessage = ({ data }) => { const { id, result } = JSON.parse(data); if (id === 1) done(result); }; });
  socket.send(JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }));
  const result = await answer;
  socket.close();
  return result;
}

async function measure(folder, options) {
  const { worker, url } = await startWorker();
  const server = await serve(folder);
  try {
    await (await fetch(new URL("/idle", url))).json();
    const [pid] = workerdProcesses();
    const before = peakResident(pid);
    const response = await fetch(new URL(`/run?options=${encodeURIComponent(JSON.stringify({ from: server.origin, ...options }))}`, url));
    const result = await response.json();
    if (result.error !== undefined) throw new Error(result.error);
    const heap = await heapUsage(worker);
    return { ...result, heap, resident: peakResident(pid) - before };
  } finally {
    await worker.dispose();
    server.close();
  }
}

function check(condition, message) {
  if (!condition) throw new Error(message);
}

const mib = (bytes) => (bytes / MIB).toFixed(1);

async function main() {
  let folder = process.argv[2];
  const made = folder === undefined;
  if (made) {
    folder = await mkdtemp(join(tmpdir(), "kvasm-workerd-"));
    await (await import("./make-model.mjs")).makeModel(folder);
  }
  const tests = {
    "GPT-2 124M in int4, 512 tokens in an int8 cache: within 128 MiB": async () => {
      const result = await measure(folder, { cache: "q8", contextLength: 512, maxSequences: 1 });
      check(result.verified && result.tokens === 512 && result.weights === "q4" && result.text !== "", JSON.stringify(result));
      const { usedSize, backingStorageSize } = result.heap;
      const used = result.memory.total + usedSize + backingStorageSize;
      const shown = `${mib(used)} MiB: linear memory ${mib(result.memory.total)}, heap ${mib(usedSize)}, array buffers ${mib(backingStorageSize)}; resident memory grew by at most ${mib(result.resident)}`;
      check(used <= LIMIT && usedSize > 3 * MIB, shown);
      // Machine code and workerd's own buffers are in it as well.
      check(result.resident <= LIMIT + 8 * MIB, shown);
      return shown;
    },
    "512 tokens in f32: the meter says that it is more": async () => {
      const result = await measure(folder, { cache: "f32", contextLength: 512, maxSequences: 1 });
      check(result.memory.total + result.heap.usedSize > LIMIT && result.resident > LIMIT, JSON.stringify(result));
      return `linear memory ${mib(result.memory.total)} MiB, resident memory grew by ${mib(result.resident)}`;
    },
  };
  try {
    for (const [name, test] of Object.entries(tests)) {
      try {
        console.log(`#kvasm here ${name}`);
        console.log(`${name}: ${await test()}`);
        console.log(`#kvasm passed ${name}`);
      } catch (error) {
        console.log(error.message);
        console.log(`#kvasm failed ${name}`);
        process.exitCode = 1;
      }
    }
  } finally {
    if (made) await rm(folder, { recursive: true, force: true });
  }
}

await main();
