/**
 * What the DSLs declare as plain data: their names and their tasks. Configurations and tables of numbers need no more,
 * and load no compiler for it. Beside `registry.ts` the only place outside a DSL's folder that names one.
 */
import type { TaskDeclaration } from "./dsl.js";
import { IBIS_TASKS } from "./ibis/tasks/declarations.js";

export const DSL_NAMES = ["ibis"] as const;

/** The DSL of a text that names none. */
export const DEFAULT_DSL = DSL_NAMES[0];

export type TaskType = (typeof IBIS_TASKS)[number]["name"];

type DeclaredTask = TaskDeclaration & { readonly name: TaskType };

export const DECLARED_TASKS: readonly [DeclaredTask, ...DeclaredTask[]] = IBIS_TASKS;
