import { TASK_TYPES } from "../data/tasks.js";
import type { Interval } from "../evaluation/bootstrap.js";
import { breakDown, type Facet } from "../evaluation/breakdown.js";
import { describeKilled, EXECUTION_HINT } from "../evaluation/execution/judge.js";
import type { EvaluationResult, TaskMetrics } from "../evaluation/metrics.js";
import { pairedScores } from "../evaluation/report/summary.js";
import { formatPercent, formatTable } from "./format.js";

type Metrics = TaskMetrics | undefined;

const rate = (metrics: Metrics, value: (metrics: TaskMetrics) => number): string =>
  metrics === undefined || metrics.codeRows === 0 ? "–" : formatPercent(value(metrics));

type Execution = NonNullable<TaskMetrics["execution"]>;

const executed = (metrics: Metrics, value: (execution: Execution) => string): string =>
  metrics?.execution === undefined || metrics.execution.rows === 0 ? "–" : value(metrics.execution);

export const describeInterval = ([low, high]: Interval): string =>
  `${(100 * low).toFixed(0)} … ${(100 * high).toFixed(0)}`;

const range = ({ interval }: Pick<Execution, "interval">): string => describeInterval(interval);

/** `12 % of 149 answers execute equal (95 %: 8 … 17; constant answer 1 %)`, or that it was not measured. */
export function describeExecution({ execution }: TaskMetrics): string {
  if (execution === undefined) return "execution not measured";
  const { rows, accuracy, constant } = execution;
  return (
    `${formatPercent(accuracy)} of ${rows} answers execute equal ` +
    `(95 %: ${range(execution)}; constant answer ${formatPercent(constant)})`
  );
}

/** What stands under a table: how far names and prose were right, and why execution was not measured or how sharp it was. */
function remarks({ facts, nextIdentifier, ...all }: TaskMetrics): string[] {
  const named =
    facts === undefined
      ? []
      : [
          `${formatPercent(facts.right)} of ${facts.rows} answers in prose name all that they must and nothing else.`,
        ];
  const next =
    nextIdentifier === undefined
      ? []
      : [
          `${formatPercent(nextIdentifier.right)} of ${nextIdentifier.rows} completions that could go on otherwise ` +
            `begin with the same name (95 %: ${range(nextIdentifier)}).`,
        ];
  return [...named, ...next, aboutExecution(all)];
}

function aboutExecution({ execution }: Pick<TaskMetrics, "execution">): string {
  if (execution === undefined) return `Whether answers execute equal was not measured. ${EXECUTION_HINT}`;
  const { killed, untold } = execution;
  return (
    "equal: executed, gives what the row's own completion gives. The databases made for completions " +
    describeKilled(formatPercent(killed)) +
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
  return `${formatTable([head, ...rows, cells("all", before?.all, after.all, both)])}\n${remarks(after.all).join("\n")}`;
}

/** `+12 % of 149 answers (95 %: 5 … 18; p = 0.002)`: how much better the second is on the rows that both answered. */
export function describeDifference(first: EvaluationResult, second: EvaluationResult): string {
  const paired = pairedScores(first.scores, second.scores);
  if (paired === undefined) return "execution not measured";
  const { rows, difference, interval, p } = paired;
  const sign = difference > 0 ? "+" : "";
  const chance = p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
  return `${sign}${formatPercent(difference)} of ${rows} answers (95 %: ${describeInterval(interval)}; ${chance})`;
}

/** Accuracy by what rows are like; a row may be of several kinds. */
export function breakdownTable({ scores }: EvaluationResult, facet: Facet): string {
  const rows = breakDown(scores, facet).map(({ name, rows, accuracy, interval }) => [
    name,
    String(rows),
    formatPercent(accuracy),
    describeInterval(interval),
  ]);
  return formatTable([[facet, "rows", "equal", "95 %"], ...rows]);
}
