/** How many threads the machine runs at once. */
export async function cores(): Promise<number> {
  return globalThis.navigator?.hardwareConcurrency ?? 1;
}
