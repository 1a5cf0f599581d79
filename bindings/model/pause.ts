/**
 * Lets the host's event loop turn once: timers, input and aborts get their chance. As cheap as the host allows, for it is done
 * after every token: setTimeout alone would cost 1 to 4 ms each.
 */
export const pause: () => Promise<void> = choose();

/** Uses each before it takes it: some edge runtimes have the names and throw. */
function choose(): () => Promise<void> {
  try {
    clearImmediate(setImmediate(() => {}));
    return () => new Promise((resolve) => setImmediate(resolve));
  } catch { /* not Node, Deno or Bun */ }
  try {
    const { port1, port2 } = new MessageChannel();
    port1.close();
    port2.close();
    return messagePause;
  } catch { /* an edge runtime */ }
  return () => new Promise((resolve) => setTimeout(resolve, 0));
}

let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

/** A message to oneself is a task of its own, without the minimum delay of timers. */
function messagePause(): Promise<void> {
  if (channel === undefined) {
    channel = new MessageChannel();
    channel.port1.onmessage = () => waiting.shift()?.();
  }
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel!.port2.postMessage(null);
  });
}
