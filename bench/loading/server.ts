import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface Server {
  readonly origin: string;
  /** Bytes per second of files that are asked for from now on; Infinity: as fast as it goes. */
  rate: number;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** Bytes handed to the socket at once. */
const PIECE = 1 << 18;
/** Only files of models are slowed down: scripts are the same for every rate. */
const SLOWED = /\.(safetensors|onnx|gguf)$/;

/** Serves folders on the loopback interface. @param folders what each path begins with, and where that lies */
export async function startServer(folders: Readonly<Record<string, string>>): Promise<Server> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const folder = Object.keys(folders).find((prefix) => path.startsWith(prefix));
    const file = folder === undefined || path.includes("..") ? undefined : join(folders[folder]!, path.slice(folder.length));
    const size = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    if (file === undefined || !size?.isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-length": size.size, "cache-control": "no-store" });
    pipeline(Readable.from(paced(file, SLOWED.test(file) ? result.rate : Infinity), { objectMode: false, highWaterMark: PIECE }), response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const result: Server = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rate: Infinity,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
  return result;
}

/** A file in pieces, none before its time. */
async function* paced(file: string, rate: number): AsyncGenerator<Uint8Array> {
  const began = performance.now();
  let sent = 0;
  for await (const piece of createReadStream(file, { highWaterMark: PIECE }) as AsyncIterable<Uint8Array>) {
    const wait = ((sent + piece.length) / rate) * 1000 - (performance.now() - began);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    yield piece;
    sent += piece.length;
  }
}
