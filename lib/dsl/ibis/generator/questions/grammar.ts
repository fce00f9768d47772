/**
 * Questions as people ask them. The names of new columns are told only where a later step needs them, or now and then; a
 * question that does not name what its program needs is not asked.
 */
import type { Random } from "../../../../data/random.js";
import type { Profile, Program } from "../programs.js";
import { chainOf } from "../syntax.js";
import { firstRows, inWords, type Clause, type Computed } from "./clauses.js";
import { namesFacts } from "./facts.js";

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const joined = (parts: readonly string[]): string =>
  parts.length < 3 ? parts.join(" and ") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1) ?? ""}`;

/** Whether the steps after `at` speak of a column by the name that it is given there. */
function isUsedLater(program: Program, at: number, { name }: Computed): boolean {
  const said = name.replaceAll("_", " ");
  return program.clauses.slice(at + 1).some((clause) => inWords(clause).includes(said));
}

type Join = Extract<Clause, { kind: "join" }>;

/** An inner join with all rows of a table. */
const isWhole = ({ verb, conditions }: Join): boolean => verb === "join" && conditions.length === 0;
const tied = ({ table, on }: Join): string => `${words(table)} on ${on}`;

/** Whether both are joins of a kind, with all rows of their tables. */
const isAlike = (one: Clause, other: Clause | undefined): boolean =>
  one.kind === "join" &&
  other?.kind === "join" &&
  one.verb === other.verb &&
  one.conditions.length + other.conditions.length === 0;

class Phrasing {
  private readonly namesAll: boolean;

  constructor(
    private readonly random: Random,
    private readonly program: Program,
  ) {
    this.namesAll = random.chance(0.2);
  }

  private value(value: Computed, at: number): string {
    if (!this.namesAll && !isUsedLater(this.program, at, value)) return value.english;
    const { english, name } = value;
    return this.random.pick([
      `${english} as ${name}`,
      `${english} (call it ${name})`,
      `${english}, named ${name}`,
    ]);
  }

  private values(values: readonly Computed[], at: number): string {
    return joined(values.map((value) => this.value(value, at)));
  }

  private groups(keys: readonly string[]): string {
    const each = joined(keys);
    return keys.length === 0
      ? ""
      : ` ${this.random.pick(["for each", "per", "by", "for every", "grouped by"])} ${each}`;
  }

  private where(conditions: readonly string[]): string {
    return conditions.join(" and ");
  }

  private order({ column, down, then }: Extract<Clause, { kind: "order" }>): string {
    const { random } = this;
    const ties =
      then.length === 0 ? "" : random.pick([`, then by ${joined(then)}`, ` and then by ${joined(then)}`]);
    const by = down
      ? random.pick([
          `by ${column} in descending order`,
          `by ${column}, descending`,
          `by ${column} from high to low`,
        ])
      : random.pick([`by ${column}`, `by ${column} in ascending order`, `by ${column}, ascending`]);
    return by + ties;
  }

  /** One step in the imperative. */
  step(clause: Clause, at: number): string {
    const { random } = this;
    switch (clause.kind) {
      case "filter":
        return `${random.pick(["keep rows where", "only keep the rows where", "filter to rows where", "take those where", "restrict to rows where"])} ${this.where(clause.conditions)}`;
      case "summary": {
        const verb = random.pick(["compute", "find", "get", "calculate", "work out", "give me"]);
        const having =
          clause.having === undefined
            ? ""
            : `, ${random.pick(["only where", "but only where", "as long as"])} ${clause.having}`;
        return `${verb} ${this.values(clause.values, at)}${this.groups(clause.keys)}${having}`;
      }
      case "add": {
        const isNamed = this.namesAll || isUsedLater(this.program, at, clause.value);
        const { name, english } = clause.value;
        return isNamed
          ? random.pick([
              `add ${name} as ${english}`,
              `add a column ${name} with ${english}`,
              `compute ${name}: ${english}`,
            ])
          : random.pick([`add a column with ${english}`, `also compute ${english}`, `add ${english}`]);
      }
      case "select":
        return `${random.pick(["select", "show", "list", "return", "keep only"])} ${joined(clause.columns)}`;
      case "order":
        return `${random.pick(["sort", "order", "sort the result"])} ${this.order(clause)}`;
      default:
        return inWords(clause);
    }
  }

  /** The steps' words; joins of a kind in a row may be one: `join a on x, b on y and c on z`. */
  private parts(): string[] {
    const parts: string[] = [];
    const { clauses } = this.program;
    const together = this.random.chance(0.7);
    for (let at = 0; at < clauses.length; at++) {
      const clause = clauses[at] as Clause;
      let end = at + 1;
      while (together && isAlike(clause, clauses[end])) end++;
      const others = clauses.slice(at + 1, end).filter((one) => one.kind === "join");
      parts.push(joined([this.step(clause, at), ...others.map(tied)]));
      at = end - 1;
    }
    return parts;
  }

  /** All steps, one after the other. */
  steps(): string {
    const parts = this.parts();
    const then = this.random.pick([", then ", ", and then ", "; "]);
    if (parts.length === 2) return parts.join(this.random.pick([" and ", then]));
    return parts.join(then);
  }

  /** The tables that inner joins put beside the first, which are taken off the beginning of `clauses`. */
  private joinedTo(clauses: Clause[]): string {
    const end = clauses.findIndex((clause) => clause.kind !== "join" || !isWhole(clause));
    const joins = clauses.splice(0, end < 0 ? 0 : end).filter((one) => one.kind === "join");
    if (joins.length === 0) return "";
    const how = this.random.pick(["joined with", "joined to", "together with"]);
    return ` ${how} ${joined(joins.map(tied))}`;
  }

  /** `What is the average price per region where …?`: of some rows, one summary or selection, in an order, the first. */
  asked(): string | undefined {
    const { random, program } = this;
    const clauses = [...program.clauses];
    const table = words(tableOf(program)) + this.joinedTo(clauses);
    const last = clauses.at(-1);
    const limit = last?.kind === "limit" && last.skip === undefined ? last : undefined;
    if (limit !== undefined) clauses.pop();
    const end = clauses.at(-1);
    const order = end?.kind === "order" ? end : undefined;
    if (order !== undefined) clauses.pop();
    const core = clauses.pop();
    if (core === undefined || (limit !== undefined && order === undefined)) return undefined;
    if (clauses.some(({ kind }) => kind !== "filter")) return undefined;
    const conditions = clauses.flatMap((clause) => (clause.kind === "filter" ? clause.conditions : []));
    const at = clauses.length;
    const rows =
      conditions.length === 0
        ? ""
        : ` ${random.pick(["where", "for which", "such that"])} ${this.where(conditions)}`;
    const sorted = order === undefined ? "" : `, ${random.pick(["sorted", "ordered"])} ${this.order(order)}`;
    const first =
      limit === undefined
        ? ""
        : `, ${random.pick(["just", "only", "limited to"])} the first ${firstRows(limit.count)}`;
    const rest = sorted + first;
    if (core.kind === "summary") {
      if (core.having !== undefined) return undefined;
      const be = core.values.length > 1 ? "are" : "is";
      const values = this.values(core.values, at);
      const groups = this.groups(core.keys);
      return random.pick([
        `What ${be} ${values}${groups} of the ${table}${rows}${rest}?`,
        `In ${table}${rows}, what ${be} ${values}${groups}${rest}?`,
        `Give me ${values}${groups} for ${table}${rows}${rest}.`,
        `I need ${values}${groups}, of ${conditions.length === 0 ? "all" : "only those"} ${table}${rows}${rest}.`,
      ]);
    }
    if (core.kind === "select") {
      const columns = joined(core.columns);
      return random.pick([
        `Which ${columns} do the ${table}${rows} have${rest}?`,
        `Show ${columns} of the ${table}${rows}${rest}.`,
        `List the ${columns} of all ${table}${rows}${rest}.`,
      ]);
    }
    if (core.kind === "filter") {
      const all = [...conditions, ...core.conditions];
      return random.pick([
        `Which ${table} are there where ${this.where(all)}${rest}?`,
        `Show me all ${table} where ${this.where(all)}${rest}.`,
        `Find the ${table} where ${this.where(all)}${rest}.`,
      ]);
    }
    return undefined;
  }
}

const words = (name: string): string => name.replaceAll("_", " ");

/** The table that the program begins with. */
const tableOf = ({ schema }: Program): string => schema.tables[0]?.name ?? "";

/** The steps as a sentence, with all names. */
export function sentence({ english }: Program): string {
  return capital(english.join(", then "));
}

function draw(random: Random, program: Program): string {
  const table = tableOf(program);
  const phrasing = new Phrasing(random, program);
  const whole = random.chance(0.55) ? phrasing.asked() : undefined;
  if (whole !== undefined) return whole;
  const steps = phrasing.steps();
  const named = [
    `In ${table}, how do I ${steps}?`,
    `Using ${table}, ${steps}.`,
    `From ${table}: ${steps}.`,
    `Starting from ${table}, how can I ${steps}?`,
  ];
  // Of several tables it must be said which comes first.
  if (program.schema.tables.length > 1) return random.pick(named);
  return random.pick([
    ...named,
    `How do I ${steps}?`,
    `How can I ${steps} in Ibis?`,
    `${capital(steps)}.`,
    `I want to ${steps}. How?`,
    `Can you ${steps}?`,
    `What is the Ibis code to ${steps}?`,
  ]);
}

/** A question that the program answers. */
export function question(random: Random, program: Program, profile: Profile): string {
  if (profile === "full" && chainOf(program.node).length > 0) {
    for (let tries = 0; tries < 3; tries++) {
      const asked = draw(random, program);
      if (namesFacts(asked, program)) return asked;
    }
  }
  const steps = program.english.join(", then ");
  const table = tableOf(program);
  return random.pick([`How do I ${steps}?`, `In ${table}, how do I ${steps}?`, `${sentence(program)}.`]);
}

/** What a program is meant to do, as a comment above it says. */
export function intent(random: Random, program: Program, profile: Profile): string {
  if (profile === "quickstart") return sentence(program);
  const said = capital(new Phrasing(random, program).steps());
  return namesFacts(said, program) ? said : sentence(program);
}
