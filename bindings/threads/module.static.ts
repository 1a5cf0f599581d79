/** No threads in what is one file: it is for service workers, which start no workers, and for tools that know no `import()`. */
export async function threadsModule(): Promise<undefined> {
  return undefined;
}
