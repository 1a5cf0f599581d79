/** The script of the worker that `connect` starts. Without `await`: bundlers make scripts of it that are no modules. */
import { serve } from "./worker-host.ts";

void serve();
