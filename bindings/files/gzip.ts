import { KvasmError } from "../errors.ts";

/** The stream's content decompressed, or as it is if a server has decompressed it on the way (Content-Encoding: gzip). */
export function gunzip(packed: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
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
    return (compressed ? whole.pipeThrough(decompressor(source)) : whole).getReader();
  }
}

/** Some hosts have the name and throw when it is used. */
function decompressor(source: ReadableStreamDefaultReader<Uint8Array>): DecompressionStream {
  try {
    return new DecompressionStream("gzip");
  } catch (cause) {
    void source.cancel().catch(() => {});
    throw new KvasmError("unsupported", `model.safetensors.gz: this runtime does not decompress (${String(cause)}). Pass model.safetensors, decompressed.`, { argument: "model.safetensors.gz", cause });
  }
}
