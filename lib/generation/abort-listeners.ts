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
