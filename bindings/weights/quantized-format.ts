// What names a file of kvasm's quantised safetensors (docs/FORMATS.md).

export const FORMAT = "kvasm";
export const FORMAT_VERSION = "1";
/** What a matrix's name and this make the name of its scales. */
export const SCALE_SUFFIX = "_scale";
