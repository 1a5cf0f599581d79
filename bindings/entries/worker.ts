/** `kvasm/worker`: a model in a worker, by one line. */
export { connect } from "../worker/connect.ts";
export type { ConnectOptions } from "../worker/connect.ts";
export type { AnyWorker, NodeWorker, WebWorker } from "../worker/ports.ts";
export type { RemoteGeneration, RemoteModel, RemoteSequence, RemoteStepRequest, RemoteTokenizer } from "../worker/remote-model.ts";
