/**
 * Lets the host's event loop turn once: timers, input and aborts get their chance. As cheap as the host allows, for it is done
 * after every token: setTimeout alone would cost 1 to 4 ms each.
 */
export const pause: () => Promise<void> = choose();

function choose(): () => Promise<void> {
  if (typeof setImmediate === "function") return () => new Promise((resolve) => setImmediate(resolve));
  if (typeof MessageChannel === "function") return messagePause;
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
