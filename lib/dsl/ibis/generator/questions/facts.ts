/** What a question must name for its program to be the answer: read off the program itself, not off its words. */
import type { Program } from "../programs.js";
import { spoken } from "../scope.js";
import { chainOf, childrenOf, isTable, type Node } from "../syntax.js";

/** Constants below a node, without those of functions' own texts and of other tables. */
function constantsIn(node: Node): (string | number)[] {
  if (node.kind === "literal") {
    return typeof node.value === "string" || typeof node.value === "number" ? [node.value] : [];
  }
  return node.kind === "template" || isTable(node) ? [] : childrenOf(node).flatMap(constantsIn);
}

function namesIn(node: Node): string[] {
  if (node.kind === "name" || node.kind === "column") return [node.name];
  return isTable(node) || node.kind === "template" ? [] : childrenOf(node).flatMap(namesIn);
}

/** Constants of conditions, columns of groups, orders and selections, numbers of rows: as a question says them. */
export function factsOf({ node, schema }: Program): string[] {
  const columns = schema.tables.flatMap((table) => table.columns);
  const said = (name: string): string => spoken(columns.find((c) => c.name === name) ?? { name });
  return chainOf(node).flatMap((step) => {
    if (step.kind !== "call") return [];
    switch (step.name) {
      case "filter":
        return step.args
          .filter((arg) => !isCounted(arg))
          .flatMap(constantsIn)
          .map(String);
      case "group_by":
      case "order_by":
      case "select":
        return step.args.flatMap(namesIn).map(said);
      case "limit":
      case "head":
      case "topk":
        return step.args.flatMap(constantsIn).map((count) => (count === 1 ? "" : String(count)));
      default:
        return [];
    }
  });
}

/** Places in windows are counted from 0, and said as people count. */
const isCounted = (node: Node): boolean =>
  (node.kind === "call" && node.name === "over") || childrenOf(node).some(isCounted);

/** Whether a question names each of the program's facts. */
export const namesFacts = (question: string, program: Program): boolean => {
  const text = question.toLowerCase();
  return factsOf(program).every((fact) => text.includes(fact.toLowerCase()));
};
