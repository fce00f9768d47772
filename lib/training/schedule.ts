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

/** Of a curriculum: the share of rows that the first step draws from, and the part of the run after which it is all. */
const [FIRST_SHARE, ALL_FROM] = [0.2, 0.5];

/**
 * The share of each task's rows, the shortest ones, from which step `step` (from 0) of `steps` draws: the competence of
 * Platanios et al. (2019), which grows as a square root, so that new rows come in at a rate that falls.
 */
export function curriculumShare(step: number, steps: number): number {
  const part = Math.min(1, step / (ALL_FROM * steps));
  return Math.sqrt(FIRST_SHARE ** 2 + (1 - FIRST_SHARE ** 2) * part);
}
