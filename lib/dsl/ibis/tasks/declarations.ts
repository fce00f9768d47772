import type { TaskDeclaration } from "../../dsl.js";

const TABLE = `--table "orders(region string, amount float64)"`;

/**
 * The tasks of Ibis, in the order in which tables list them. Weights: more of the tasks whose answers are programs, fewer
 * of those whose answers are mostly prose.
 */
export const IBIS_TASKS = [
  {
    name: "code_completion",
    weight: 0.2,
    continuesPrompt: true,
    command: {
      name: "complete",
      description: "Go on with a program.",
      prompt: "orders.group_by('region').",
      options: TABLE,
    },
  },
  {
    name: "ibis_to_sql",
    weight: 0.18,
    command: {
      name: "to-sql",
      description: "Say in SQL what a program computes.",
      prompt: "orders.filter(orders.amount > 10).count()",
      options: TABLE,
    },
  },
  {
    name: "error_resolution",
    weight: 0.18,
    command: {
      name: "fix",
      description: "Mend a program; the exception is the last line, or --error.",
      prompt: "orders.group_by('region').agregate(n=orders.count())",
      options: TABLE,
    },
  },
  {
    name: "qa",
    weight: 0.12,
    command: {
      name: "ask",
      description: "Answer a question.",
      prompt: "How do I keep only the first five rows of orders?",
      options: TABLE,
    },
  },
  {
    name: "function_documentation",
    weight: 0.08,
    command: {
      name: "document",
      description: "Describe a function.",
      prompt: "Table.distinct(on=None, keep='first')",
    },
  },
  {
    name: "sql_to_ibis",
    weight: 0.24,
    command: {
      name: "from-sql",
      description: "Write the program for an SQL query.",
      prompt: "SELECT region, SUM(amount) AS total FROM orders GROUP BY region",
      options: TABLE,
    },
  },
] as const satisfies readonly TaskDeclaration[];
