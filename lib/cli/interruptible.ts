/** Work that SIGINT or SIGTERM ends in order. */
import { EXIT, type Run } from "./main.js";

/**
 * Runs work whose `signal` the first SIGINT or SIGTERM aborts; the second has the system's own effect. Work that ends by
 * it has cleared up behind itself: `kept` then says what it leaves, and the exit code is 130.
 */
export async function interruptible(
  run: Run,
  kept: string,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const release = (): void => {
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  };
  const interrupt = (): void => {
    release();
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    run.exitCode = EXIT.interrupted;
    run.note(`interrupted: ${kept}`);
  } finally {
    release();
  }
}
