// In a bundle for browsers this is the package `assert`, which is Node's own carried over.
import assertPackage from "assert";

export const assert: typeof assertPackage.strict = assertPackage.strict;
