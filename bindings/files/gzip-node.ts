import { KvasmError } from "../errors.ts";
import { weightsLookalike } from "./lookalike.ts";

/** Bytes that node:zlib hands out at once. */
const CHUNK = 1 << 18;

/**
 * gunzip by node:zlib, for files: it takes less than half the time of Node's DecompressionStream, whose pieces are small (65
 * against 165 ms of processor time for 25 MB, Node 20; look again with later ones).
 */
export async function gunzipByNode(packed: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const { createGunzip } = await import("node:zlib");
  const { Readable, pipeline } = await import("node:stream");
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
  let first = true;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (first) checkStart(value);
      first = false;
      yield value.slice();
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Refuses a file whose beginning says what it is instead. */
function checkStart(bytes: Uint8Array): void {
  const instead = weightsLookalike(String.fromCharCode(...bytes.subarray(0, 200)));
  if (instead === "" || (bytes[0] === 0x1f && bytes[1] === 0x8b)) return;
  throw new KvasmError("weights", `model.safetensors.gz: is not compressed with gzip${instead}.`, { argument: "model.safetensors.gz" });
}
