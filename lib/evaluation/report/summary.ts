/** What an evaluation found, as plain data for programs and for the pages that are made of it. */
import type { Row, TaskFormat, TaskType } from "../../data/tasks.js";
import { pairedDifference, type PairedDifference } from "../bootstrap.js";
import { breakDown, FACETS, type Facet, type PassRate, type Share } from "../breakdown.js";
import type { EvaluationResult, RowScore, TaskMetrics } from "../metrics.js";

/** One who was measured. */
export interface Measured {
  /** `before`, `shots`, `after`, `other`. */
  subject: string;
  /** In words. */
  label: string;
  all: TaskMetrics;
  tasks: EvaluationResult["tasks"];
  passAt?: PassRate[];
  breakdowns: Record<Facet, Share[]>;
}

export interface Difference extends PairedDifference {
  from: string;
  to: string;
}

/** An answer that is wrong, beside the one that was known. */
export interface Failure {
  task: TaskType;
  id: string;
  prompt: string;
  expected: string;
  prediction: string;
  reason: string;
  /** Rungs of the ladder that it passed: the fewer, the worse. */
  rungs: number;
}

export interface EvaluationSummary {
  format: 1;
  settings: Record<string, unknown>;
  measured: Measured[];
  differences: Difference[];
  failures: Failure[];
}

/** Two who answered the same rows, by execution; undefined where none was judged so for both. */
export function pairedScores(
  first: readonly RowScore[],
  second: readonly RowScore[],
): PairedDifference | undefined {
  const earlier = new Map(first.map(({ id, execution }) => [id, execution]));
  const pairs = second.flatMap(({ id, execution }) => {
    const other = earlier.get(id);
    return execution === undefined || other === undefined ? [] : [[other.equal, execution.equal].map(Number)];
  });
  if (pairs.length === 0) return undefined;
  return pairedDifference(
    pairs.map(([a]) => a as number),
    pairs.map(([, b]) => b as number),
  );
}

export function measuredOf(subject: string, label: string, result: EvaluationResult): Measured {
  const { all, tasks, passAt, scores } = result;
  return {
    subject,
    label,
    all,
    tasks,
    ...(passAt === undefined ? {} : { passAt }),
    breakdowns: Object.fromEntries(FACETS.map((facet) => [facet, breakDown(scores, facet)])) as Record<
      Facet,
      Share[]
    >,
  };
}

/** The wrong answers of each task that came the least far, a bounded number of them, whatever is looked through. */
export class WorstFailures {
  private readonly kept = new Map<TaskType, Failure[]>();

  constructor(private readonly perTask: number) {}

  look(score: RowScore, row: () => Row | undefined, format: Pick<TaskFormat, "prompt">): void {
    const { task, prediction, passed, execution, error } = score;
    const isWrong = score.holdsCode
      ? !passed.compile || execution?.equal === false
      : score.factsRight === false;
    if (!isWrong) return;
    const rungs = Object.values(passed).filter(Boolean).length + (execution?.runs === true ? 1 : 0);
    const own = this.kept.get(task) ?? [];
    const last = own.at(-1);
    if (own.length === this.perTask && (last === undefined || last.rungs <= rungs)) return;
    const asked = row();
    if (asked === undefined) return;
    own.push({
      task,
      id: score.id,
      prompt: format.prompt(task, asked.fields),
      expected: asked.completion,
      prediction,
      reason: error ?? execution?.reason ?? "it does not name what it must",
      rungs,
    });
    own.sort((a, b) => a.rungs - b.rungs);
    this.kept.set(task, own.slice(0, this.perTask));
  }

  get all(): Failure[] {
    return [...this.kept.values()].flat();
  }
}
