import { convert as convertModel } from "../convert/index.ts";
import type { FileWeights, Format } from "../convert/index.ts";
import { source } from "./model.ts";
import { progress } from "./progress.ts";
import { bytes, stopping, table, write, writeJson } from "./terminal.ts";

export interface ConvertFlags {
  weights: FileWeights;
  format?: Format;
  shardSize?: number;
  force?: true;
  json?: true;
}

/** `kvasm convert`: writes a model's files with its weights as another type. */
export async function convert(input: string, out: string, flags: ConvertFlags): Promise<number> {
  const signal = stopping();
  const reading = await progress("reading");
  const writing = await progress("writing");
  try {
    const { files, notes } = await convertModel(source(input), out, {
      weights: flags.weights, format: flags.format, shardBytes: flags.shardSize, force: flags.force ?? false, signal,
      onProgress: reading.update,
      onWrite({ written, size }) {
        reading.stop();
        writing.update({ loaded: written, total: size });
      },
    });
    writing.stop();
    if (flags.json) await writeJson({ weights: flags.weights, files, notes }, signal);
    else await write(table(files.map((file) => [file.path, bytes(file.bytes)])) + notes.map((note) => note + "\n").join(""), signal);
    return 0;
  } finally {
    reading.stop();
    writing.stop();
  }
}
