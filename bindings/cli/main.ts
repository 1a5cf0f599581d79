#!/usr/bin/env node
import { run } from "./program.ts";

void run(process.argv.slice(2)).then((code) => {
  // Not process.exit: what is still on its way to a pipe would be cut off.
  process.exitCode = code;
});
