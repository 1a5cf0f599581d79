/** The kernels of the forward pass, one by one, for bench/commands/kernels.ts. Compiled when that runs; not part of the package. */
export { activate } from "../../assembly/kernels/activation";
export { attendOneRow, attendTwoRows } from "../../assembly/kernels/attention";
export { storeKeyValue } from "../../assembly/kernels/cache-rows";
export { embedRow } from "../../assembly/kernels/embedding";
export { layerNorm } from "../../assembly/kernels/layer-norm";
export { multiply, tileOneRow, tileTwoRows, tileTwoStreams } from "../../assembly/kernels/matmul";
export { addResidual } from "../../assembly/kernels/rows";
