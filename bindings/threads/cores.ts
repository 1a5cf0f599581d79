/** How many threads the machine runs at once. */
export async function cores(): Promise<number> {
  const { hardwareConcurrency } = globalThis.navigator ?? {};
  if (hardwareConcurrency !== undefined) return hardwareConcurrency;
  return (await import("node:os")).availableParallelism();
}
