/** Loads where the content security policy forbids it, and leaves the error for the driver. */
import { load } from "../../dist/index.js";

window.kvasmOutcome = await load().then(() => "loaded", ({ code, argument, message }) => ({ code, argument, message }));
