import { TASK_TYPES } from "../data/tasks.js";
import { EXECUTION_HINT } from "../evaluation/execution/judge.js";
import type { EvaluationResult, TaskMetrics } from "../evaluation/metrics.js";
import { formatPercent, formatTable } from "./format.js";

type Metrics = TaskMetrics | undefined;

const rate = (metrics: Metrics, value: (metrics: TaskMetrics) => number): string =>
  metrics === undefined || metrics.codeRows === 0 ? "–" : formatPercent(value(metrics));

type Execution = NonNullable<TaskMetrics["execution"]>;

const executed = (metrics: Metrics, value: (execution: Execution) => string): string =>
  metrics?.execution === undefined || metrics.execution.rows === 0 ? "–" : value(metrics.execution);

const range = ({ interval: [low, high] }: Pick<Execution, "interval">): string =>
  `${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)}`;

/** `12 % of 149 answers execute equal (8–17; constant answer 1 %)`, or that it was not measured. */
export function describeExecution({ execution }: TaskMetrics): string {
  if (execution === undefined) return "execution not measured";
  const { rows, accuracy, constant } = execution;
  return (
    `${formatPercent(accuracy)} of ${rows} answers execute equal ` +
    `(95 %: ${range(execution)}; constant answer ${formatPercent(constant)})`
  );
}

/** What stands under a table: why execution was not measured, or how sharp it was. */
function remark({ all: { execution } }: EvaluationResult): string {
  if (execution === undefined) return `Whether answers execute equal was not measured. ${EXECUTION_HINT}`;
  const { killed, untold } = execution;
  return (
    `equal: executed, gives what the row's own completion gives. The test databases tell ${formatPercent(killed)} of ` +
    `its neighbours from it` +
    (untold === 0 ? "." : `; of ${untold} rows nothing can be told.`)
  );
}

const cells = (name: string, before: Metrics, after: TaskMetrics, both: boolean): string[] => [
  name,
  String(after.rows),
  ...(both ? [executed(before, ({ accuracy }) => formatPercent(accuracy))] : []),
  executed(after, ({ accuracy }) => formatPercent(accuracy)),
  executed(after, range),
  executed(after, ({ constant }) => formatPercent(constant)),
  rate(after, ({ rates }) => rates.parse),
  rate(after, ({ rates }) => rates.names),
  rate(after, ({ rates }) => rates.build),
  ...(both ? [rate(before, ({ rates }) => rates.compile)] : []),
  rate(after, ({ rates }) => rates.compile),
  executed(after, ({ runs }) => formatPercent(runs)),
  rate(after, ({ sqlEqual }) => sqlEqual),
  formatPercent(after.exactMatch),
];

/**
 * task × (execution accuracy before, after, its 95 % interval and that of a constant answer, the rungs of the ladder, the
 * shares of answers that compile to the same SQL or are the same text). Without a measurement before, its columns are left
 * out. A dash: no row of the task holds code, or none whose prompt determines what it gives.
 */
export function evaluationTable(after: EvaluationResult, before?: EvaluationResult): string {
  const both = before !== undefined;
  const pair = (name: string): string[] => (both ? [`${name} before`, "after"] : [name]);
  const rows = TASK_TYPES.flatMap((task) => {
    const own = after.tasks[task];
    return own === undefined ? [] : [cells(task, before?.tasks[task], own, both)];
  });
  const head = [
    ...["task", "rows", ...pair("equal"), "95 %", "constant", "parses", "names", "builds"],
    ...[...pair("compiles"), "runs", "same SQL", "same text"],
  ];
  return `${formatTable([head, ...rows, cells("all", before?.all, after.all, both)])}\n${remark(after)}`;
}
