import { KvasmError } from "../errors.ts";

/** The stream's content decompressed, or as it is if a server has decompressed it on the way (Content-Encoding: gzip). */
export function gunzip(packed: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  if (typeof DecompressionStream === "undefined") {
    void packed.cancel().catch(() => {});
    throw new KvasmError("unsupported", "model.safetensors.gz: this runtime has no DecompressionStream. Decompress the file.", { argument: "model.safetensors.gz" });
  }
  const source = packed.getReader();
  let output: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      output ??= await start();
      const { done, value } = await output.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => (output ?? source).cancel(reason),
  }, { highWaterMark: 0 });

  async function start(): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    let head = new Uint8Array(0); // the first bytes, until there are two of them
    let ended = false;
    while (head.length < 2 && !ended) {
      const { done, value } = await source.read();
      ended = done;
      if (value !== undefined) {
        const longer = new Uint8Array(head.length + value.length);
        longer.set(head);
        longer.set(value, head.length);
        head = longer;
      }
    }
    const whole = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        if (head.length > 0) {
          controller.enqueue(head);
          head = new Uint8Array(0);
          return;
        }
        const { done, value } = await source.read();
        if (done) controller.close();
        else controller.enqueue(value.slice()); // a source may use its buffer again, the decompressor works at its own pace
      },
      cancel: (reason) => source.cancel(reason),
    }, { highWaterMark: 0 });
    const compressed = head[0] === 0x1f && head[1] === 0x8b;
    return (compressed ? whole.pipeThrough(new DecompressionStream("gzip")) : whole).getReader();
  }
}

/** Bytes that node:zlib hands out at once. */
const CHUNK = 1 << 18;

/**
 * The same by node:zlib, for files: it takes less than half the time of Node's DecompressionStream, whose pieces are small (65
 * against 165 ms of processor time for 25 MB, Node 20; look again with later ones).
 */
export async function gunzipByNode(packed: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const [zlib, stream] = ["node:zlib", "node:stream"]; // variables, so that bundlers for browsers leave them alone
  const { createGunzip } = await import(/* webpackIgnore: true */ /* @vite-ignore */ zlib) as typeof import("node:zlib");
  const { Readable, pipeline } = await import(/* webpackIgnore: true */ /* @vite-ignore */ stream) as typeof import("node:stream");
  const inflate = createGunzip({ chunkSize: CHUNK });
  pipeline(Readable.from(copies(packed)), inflate, () => {}); // an error comes out of the iterator below
  const output = inflate[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await output.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => void inflate.destroy(),
  }, { highWaterMark: 0 });
}

/** A file uses its buffers again, the decompressor works at its own pace. */
async function* copies(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value.slice();
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
