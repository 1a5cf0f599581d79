/** The script of a worker of `load`'s option `threads`, for pages that may not make one of a blob: the option `workerUrl`. */
import { listenInPage, runWorker } from "../threads/script.ts";

runWorker(listenInPage);
