// Every export of the artifacts for threads: what the others have, and what workers and their caller need.
export * from "./index";
export { endThreads, readyThreads, runThread, useThreads } from "./threads/worker";
export { forbidSleep } from "./threads/sync";
