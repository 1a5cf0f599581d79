/** A file of weights that the caller names by itself, by the end of a path or address. */
export const WEIGHTS_FILE = /[^\\/]+\.(?:safetensors(?:\.gz)?|bin)$/;

export const WHOLE_NAME = "model.safetensors";
export const PACKED_NAME = `${WHOLE_NAME}.gz`;
export const TORCH_NAME = "pytorch_model.bin";

/** The name by which such a file goes among a model's files. */
export function standardName(file: string): string {
  return file.endsWith(".bin") ? TORCH_NAME : file.endsWith(".gz") ? PACKED_NAME : WHOLE_NAME;
}

/** Where a file was named, what lies beside it in another form is another file. */
export function isOtherForm(name: string, file: string): boolean {
  return [WHOLE_NAME, PACKED_NAME, TORCH_NAME].includes(name) && name !== standardName(file);
}
