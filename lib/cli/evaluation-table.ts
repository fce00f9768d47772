import { TASK_TYPES } from "../data/tasks.js";
import type { EvaluationResult, TaskMetrics } from "../evaluation/metrics.js";
import { formatPercent, formatTable } from "./format.js";

const rate = (metrics: TaskMetrics | undefined, value: (metrics: TaskMetrics) => number): string =>
  metrics === undefined || metrics.codeRows === 0 ? "–" : formatPercent(value(metrics));

const cells = (
  name: string,
  before: TaskMetrics | undefined,
  after: TaskMetrics,
  both: boolean,
): string[] => [
  name,
  String(after.rows),
  ...(both ? [rate(before, ({ rates }) => rates.compile)] : []),
  rate(after, ({ rates }) => rates.compile),
  rate(after, ({ sqlEqual }) => sqlEqual),
  formatPercent(after.exactMatch),
];

/**
 * task × (compile rate before, after), with the shares of answers that compile to the same SQL or are the same text.
 * Without a measurement before, its column is left out. A dash: no row of the task holds code.
 */
export function evaluationTable(after: EvaluationResult, before?: EvaluationResult): string {
  const both = before !== undefined;
  const compile = both ? ["compiles before", "after"] : ["compiles"];
  const rows = TASK_TYPES.flatMap((task) => {
    const own = after.tasks[task];
    return own === undefined ? [] : [cells(task, before?.tasks[task], own, both)];
  });
  return formatTable([
    ["task", "rows", ...compile, "same SQL", "same text"],
    ...rows,
    cells("all", before?.all, after.all, both),
  ]);
}
