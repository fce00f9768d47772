/** The learning rate over a run: linear warm-up, then cosine to `finalRatio` of the peak (Loshchilov & Hutter 2017). */
export interface ScheduleOptions {
  peak: number;
  /** Steps of the whole run. */
  steps: number;
  warmupSteps: number;
  /** Share of the peak that is left at the end. */
  finalRatio: number;
}

/** Learning rate of a step, counted from 0; the first step of a warm-up over n steps has 1/n of the peak. */
export function learningRate(step: number, options: ScheduleOptions): number {
  const { peak, steps, warmupSteps, finalRatio } = options;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  return peak * (finalRatio + ((1 - finalRatio) * (1 + Math.cos(Math.PI * progress))) / 2);
}
