/** One listener a signal, however many texts wait for it: of more than ten Node warns. */
export class AbortListeners {
  private readonly signals = new Map<AbortSignal, { waiting: Set<() => void>; fire: () => void }>();

  /** Calls `leave` when the signal fires. Returns what undoes that. */
  add(signal: AbortSignal, leave: () => void): () => void {
    let entry = this.signals.get(signal);
    if (entry === undefined) {
      const waiting = new Set<() => void>();
      const fire = (): void => {
        this.signals.delete(signal);
        for (const one of [...waiting]) one();
      };
      entry = { waiting, fire };
      this.signals.set(signal, entry);
      signal.addEventListener("abort", fire, { once: true });
    }
    const { waiting, fire } = entry;
    waiting.add(leave);
    return () => {
      waiting.delete(leave);
      if (waiting.size > 0 || this.signals.get(signal)?.waiting !== waiting) return;
      this.signals.delete(signal);
      signal.removeEventListener("abort", fire);
    };
  }
}

/** The outcome of `work`, or the signal's reason as soon as it fires; `work` itself goes on to its end. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  work.catch(() => undefined); // when nobody waits for it any more
  signal.throwIfAborted();
  let leave = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason may be anything
    leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
