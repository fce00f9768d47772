/**
 * The mistakes that people and models make in Ibis, as rewrites of a correct program in classes. A mutant is kept only
 * if the real compiler refuses it; its exception is the row's error, and the program that it was made of is the fix.
 */
import type { Random } from "../../../../data/random.js";
import type { VerdictError } from "../../../dsl.js";
import type { Program } from "../programs.js";
import { write } from "../syntax.js";
import { INCOMPATIBLE_TYPES, SIGNATURE, SYNTAX } from "./calls.js";
import { OLDER_VERSION, ORDERING, OTHER_LIBRARY, TRUTH_VALUE } from "./habits.js";
import { UNKNOWN_COLUMN, UNKNOWN_METHOD, UNKNOWN_NAME } from "./names.js";
import { PANDAS } from "./pandas.js";
import { FOREIGN_COLUMN, JOIN_KEYS, MISSING_GROUPING, SET_SCHEMA } from "./relations.js";
import type { Mistake } from "./rewrite.js";
import { SQL } from "./sql.js";

interface MistakeClass {
  /** How often it is drawn, relative to the others. */
  weight: number;
  mistakes: readonly Mistake[];
}

const CLASSES = {
  unknown_column: { weight: 3, mistakes: UNKNOWN_COLUMN },
  unknown_method: { weight: 2, mistakes: UNKNOWN_METHOD },
  unknown_name: { weight: 2, mistakes: UNKNOWN_NAME },
  syntax: { weight: 2, mistakes: SYNTAX },
  signature: { weight: 2, mistakes: SIGNATURE },
  incompatible_types: { weight: 2, mistakes: INCOMPATIBLE_TYPES },
  foreign_column: { weight: 1, mistakes: FOREIGN_COLUMN },
  missing_grouping: { weight: 2, mistakes: MISSING_GROUPING },
  set_schema: { weight: 1, mistakes: SET_SCHEMA },
  join_keys: { weight: 1, mistakes: JOIN_KEYS },
  truth_value: { weight: 2, mistakes: TRUTH_VALUE },
  ordering: { weight: 2, mistakes: ORDERING },
  older_version: { weight: 1, mistakes: OLDER_VERSION },
  pandas: { weight: 3, mistakes: PANDAS },
  sql: { weight: 3, mistakes: SQL },
  other_library: { weight: 1, mistakes: OTHER_LIBRARY },
} as const satisfies Record<string, MistakeClass>;

export type MistakeName = keyof typeof CLASSES;
export const MISTAKES = Object.keys(CLASSES) as MistakeName[];

export interface Mutant {
  text: string;
  mistake: MistakeName;
}

/** Programs looked through for a place for a mistake, before another class is drawn. */
const PROGRAMS = 40;
/** Classes drawn before there is none: some have no place in any program of a narrow profile. */
const DRAWS = 8;

/** The program's text with a mistake of the class, or undefined when none applies to it. */
export function mutateProgram(random: Random, program: Program, mistake: MistakeName): Mutant | undefined {
  const text = write(program.node);
  const correct = { random, text, tables: program.schema.tables };
  for (const make of random.shuffled(CLASSES[mistake].mistakes)) {
    const mutant = make(correct);
    if (mutant !== undefined && mutant !== text) return { text: mutant, mistake };
  }
  return undefined;
}

/** A program and a mutant of it: the class is drawn first, so that the rare ones are not lost among the common. */
export function drawMutant(
  random: Random,
  draw: () => Program,
): { program: Program; mutant: Mutant } | undefined {
  for (let i = 0; i < DRAWS; i++) {
    const mistake = random.weighted(MISTAKES.map((name) => [CLASSES[name].weight, name] as const));
    for (let tries = 0; tries < PROGRAMS; tries++) {
      const program = draw();
      const mutant = mutateProgram(random, program, mistake);
      if (mutant !== undefined) return { program, mutant };
    }
  }
  return undefined;
}

/** Whether it is Python or Ibis that raised it, not the check, which wants an expression at the end of a text. */
export const isRaised = ({ message }: VerdictError): boolean => !message.startsWith("the text ");
