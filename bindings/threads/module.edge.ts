/** No threads here. */
export async function threadsModule(): Promise<undefined> {
  return undefined;
}
