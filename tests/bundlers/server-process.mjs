/** Servers that frameworks bring, each a process of its own on a free port of the loopback interface. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";

const LIMIT = 60_000;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** `command` gets the port as its last argument and as PORT. Resolves to { origin, close } when it answers. */
export async function startServer(command, cwd, { env = {}, portArgument = true } = {}) {
  const port = await freePort();
  const [program, ...args] = command;
  const child = spawn(program, portArgument ? [...args, String(port)] : args, {
    cwd, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1", PORT: String(port), HOSTNAME: "127.0.0.1", ...env },
  });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => output.push(piece));
  const ended = new Promise((resolve) => child.on("close", resolve));
  const close = async () => {
    child.kill();
    const late = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(late);
  };
  const origin = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + LIMIT;
  while (child.exitCode === null && Date.now() < deadline) {
    if (await fetch(origin, { signal: AbortSignal.timeout(20_000) }).then(() => true, () => false)) return { origin, close, output: () => Buffer.concat(output).toString() };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await close();
  throw new Error(`${command.join(" ")} does not answer:\n${Buffer.concat(output).toString().slice(-2000)}`);
}
