import { IBertError } from "../errors.js";
import { Random, type RandomState } from "./random.js";
import { TASK_TYPES, parseTaskType, type TaskType } from "./tasks.js";

export type TaskWeights = Partial<Record<TaskType, number>>;

export interface TaskCursor {
  epoch: number;
  /** Next place in this epoch's order. */
  next: number;
}

export interface SamplerState {
  random: RandomState;
  cursors: Partial<Record<TaskType, TaskCursor>>;
}

/**
 * Draws a task by weight, then the next row of that task's own shuffled order, reshuffled every epoch. Rows are
 * numbers into the task's list; the order of an epoch is made from the seed, so a state is a few integers.
 */
export class TaskSampler {
  private random: Random;
  private readonly choices: [weight: number, task: TaskType][];
  private readonly cursors = new Map<TaskType, TaskCursor & { order: Uint32Array }>();

  /**
   * @param sizes rows of each task
   * @throws IBertError `task-unknown`, `task-weights` (negative, not a number, all 0), `task-empty` (weight, no rows)
   */
  constructor(
    private readonly seed: number,
    private readonly sizes: Readonly<Partial<Record<TaskType, number>>>,
    weights: TaskWeights,
  ) {
    for (const [name, weight] of Object.entries(weights)) {
      const task = parseTaskType(name, "task weights");
      if (!Number.isFinite(weight) || weight < 0) {
        throw new IBertError(
          "task-weights",
          `task weights: ${name} is ${weight}, not a number of at least 0`,
        );
      }
      if (weight > 0 && (sizes[task] ?? 0) === 0) {
        throw new IBertError(
          "task-empty",
          `task weights: ${name} has weight ${weight} but the corpus has no row of it`,
          {
            hint: `Set its weight to 0 or build a corpus with rows of ${name}.`,
          },
        );
      }
    }
    this.choices = TASK_TYPES.filter((task) => (weights[task] ?? 0) > 0).map((task) => [
      weights[task] ?? 0,
      task,
    ]);
    if (this.choices.length === 0) {
      throw new IBertError("task-weights", "task weights: every weight is 0", {
        hint: "Give one task a weight.",
      });
    }
    this.random = Random.of(seed, "tasks");
    for (const [, task] of this.choices)
      this.cursors.set(task, { epoch: 0, next: 0, order: this.order(task, 0) });
  }

  /** @param wanted whether a row may be drawn yet: others are passed over until the next epoch; one of each task must be */
  next(wanted: (task: TaskType, index: number) => boolean = () => true): { task: TaskType; index: number } {
    const task = this.random.weighted(this.choices);
    for (;;) {
      const index = this.nextOf(task);
      if (wanted(task, index)) return { task, index };
    }
  }

  private nextOf(task: TaskType): number {
    const cursor = this.cursors.get(task) as TaskCursor & { order: Uint32Array };
    if (cursor.next === cursor.order.length) {
      cursor.epoch++;
      cursor.next = 0;
      cursor.order = this.order(task, cursor.epoch);
    }
    return cursor.order[cursor.next++] as number;
  }

  state(): SamplerState {
    const cursors: SamplerState["cursors"] = {};
    for (const [task, { epoch, next }] of this.cursors) cursors[task] = { epoch, next };
    return { random: this.random.state(), cursors };
  }

  /** @throws IBertError `data-state` when the state is of another corpus or other weights. */
  restore(state: SamplerState): void {
    for (const [, task] of this.choices) {
      const cursor = state.cursors[task];
      if (cursor === undefined || cursor.next > (this.sizes[task] ?? 0)) {
        throw new IBertError("data-state", `the saved data cursor of ${task} does not fit this corpus`, {
          hint: "Resume with the corpus and the task weights of the unbroken run.",
        });
      }
      this.cursors.set(task, { ...cursor, order: this.order(task, cursor.epoch) });
    }
    this.random = Random.fromState(state.random);
  }

  private order(task: TaskType, epoch: number): Uint32Array {
    return Random.of(this.seed, "order", task, epoch).permutation(this.sizes[task] ?? 0);
  }
}
