/** As on other edge runtimes. */
export { environment } from "./environment.edge.ts";
