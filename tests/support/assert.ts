import strict from "node:assert/strict";

// The annotation is what lets `assert.ok(x)` narrow the type of x in suites.
export const assert: typeof strict = strict;
