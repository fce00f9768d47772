/** Steps written over the names and types that a table itself tells: its columns, its schema, the fields of a struct. */
import { isMeasure, isNumber, pickColumn, spoken, type ScopeColumn } from "../scope.js";
import { isAttribute } from "../python-names.js";
import { isJoin, verbatim, type Node, type TemplateNode } from "../syntax.js";
import { said, stillUnique, withoutTable, type State } from "./state.js";

const PARAMETER = "tbl";

/** `….pipe(lambda tbl: …)`; `covers` are members of tables, which joins have too. */
function piped(state: State, body: string, covers: readonly string[]): Node {
  const owner = isJoin(state.node) ? "Join" : "Table";
  const node: TemplateNode = {
    kind: "template",
    parts: ["", `.pipe(lambda ${PARAMETER}: ${PARAMETER}.${body})`],
    holes: [state.node],
    step: true,
    covers: ["Expr.pipe", ...covers.map((member) => member.replace(/^Table\b/, owner))],
  };
  return node;
}

type Form = (state: State) => boolean;

function kept(state: State, columns: readonly ScopeColumn[], node: Node, english: string): boolean {
  if (columns.length === 0 || columns.length === state.columns.length) return false;
  state.node = node;
  said(state, english);
  state.unique = stillUnique(state, columns);
  state.columns = columns.map(withoutTable);
  return true;
}

const firstColumns: Form = (state) => {
  const count = state.random.between(2, 4);
  const node = piped(state, `select(${PARAMETER}.columns[:${count}])`, ["Table.columns"]);
  return kept(state, state.columns.slice(0, count), node, `select the first ${count} columns`);
};

const allBut: Form = (state) => {
  const left = state.random.pick(state.columns);
  const body = `select([c for c in ${PARAMETER}.columns if c != "${left.name}"])`;
  const rest = state.columns.filter((column) => column !== left);
  if (/["\\]/.test(left.name)) return false;
  return kept(state, rest, piped(state, body, ["Table.columns"]), `drop the column ${spoken(left)}`);
};

const byEnd: Form = (state) => {
  const end = state.random.pick(["_id", "_at", "_date", "_name"]);
  const negated = state.random.chance(0.4);
  const body = `select([c for c in ${PARAMETER}.columns if ${negated ? "not " : ""}c.endswith("${end}")])`;
  const columns = state.columns.filter(({ name }) => name.endsWith(end) !== negated);
  const english = `${negated ? "drop" : "select"} all columns whose name ends with "${end}"`;
  return kept(state, columns, piped(state, body, ["Table.columns"]), english);
};

const isOfSchema = ({ role }: ScopeColumn): boolean => role !== undefined;

const byType: Form = (state) => {
  if (!state.columns.every(isOfSchema)) return false;
  const body = `select([c for c, kind in ${PARAMETER}.schema().items() if kind.is_numeric()])`;
  const columns = state.columns.filter(({ kind }) => isNumber(kind));
  return kept(state, columns, piped(state, body, ["Table.schema"]), "select all numeric columns");
};

const wholeNumbers: Form = (state) => {
  if (!state.columns.every(isOfSchema) || !state.columns.some(({ kind }) => kind === "int")) return false;
  const body = `cast({c: "float64" for c, kind in ${PARAMETER}.schema().items() if kind.is_integer()})`;
  state.node = piped(state, body, ["Table.schema"]);
  said(state, "convert all columns of whole numbers to float64");
  state.columns = state.columns.map((c) =>
    c.kind === "int" ? { ...withoutTable(c), kind: "float", type: "float64" } : withoutTable(c),
  );
  return true;
};

/** A value named after the column that it is made of. */
const namedAfter: Form = (state) => {
  const column = pickColumn(state.random, state.columns, isMeasure);
  if (column === undefined || !isAttribute(column.name)) return false;
  const name = `double_${column.name}`;
  if (state.columns.some((c) => c.name === name)) return false;
  const own = `${PARAMETER}.${column.name}`;
  state.node = piped(state, `mutate((${own} * 2).name("double_" + ${own}.get_name()))`, ["Expr.get_name"]);
  said(state, { kind: "add", value: { name, english: `twice ${spoken(column)}` } });
  const { role: _, range: __, ...rest } = withoutTable(column);
  state.columns = [...state.columns.map(withoutTable), { ...rest, name, label: name.replaceAll("_", " ") }];
  return true;
};

/** The table's name beside each row. */
const source: Form = (state) => {
  if (state.node.kind !== "table" || state.columns.some(({ name }) => name === "source")) return false;
  const table = state.node.name;
  const value = verbatim(["ibis.literal(", ".get_name())"], [state.node], ["ibis.literal", "Table.get_name"]);
  state.node = { kind: "call", target: state.node, name: "mutate", args: [], named: [["source", value]] };
  said(state, { kind: "add", value: { name: "source", english: `the name of the table, "${table}"` } });
  state.columns = [
    ...state.columns.map(withoutTable),
    { name: "source", kind: "str", type: "string", values: [] },
  ];
  return true;
};

/** The parts of a struct alone: all, or those that are texts. */
const ofStruct: Form = (state) => {
  const column = pickColumn(state.random, state.columns, ({ kind }) => kind === "struct");
  const parts = column?.parts ?? [];
  if (column === undefined || parts.length === 0) return false;
  const field = `${PARAMETER}["${column.name}"]`;
  const texts = parts.filter(({ kind }) => kind === "str");
  const form = state.random.pick(
    texts.length === 0 ? (["lift", "all"] as const) : (["lift", "all", "fields", "types"] as const),
  );
  const words = `make a table of the parts of the ${spoken(column)}`;
  const some = `${words} that are texts`;
  switch (form) {
    case "lift":
      state.node = {
        kind: "call",
        target: { kind: "field", table: state.node, name: column.name },
        name: "lift",
        args: [],
        named: [],
      };
      break;
    case "all":
      state.node = piped(state, `select([${field}[f] for f in ${field}.names])`, ["StructValue.names"]);
      break;
    case "fields": {
      const body = `select([${field}[f] for f, kind in ${field}.fields.items() if kind.is_string()])`;
      state.node = piped(state, body, ["StructValue.fields"]);
      break;
    }
    case "types": {
      const pairs = `zip(${field}.names, ${field}.types)`;
      const body = `select([${field}[f] for f, kind in ${pairs} if kind.is_string()])`;
      state.node = piped(state, body, ["StructValue.names", "StructValue.types"]);
      break;
    }
  }
  const found = form === "lift" || form === "all" ? parts : texts;
  said(state, found === texts ? some : words);
  state.columns = found.map((part): ScopeColumn => ({ ...part }));
  state.unique = undefined;
  return true;
};

/** A step by what the table tells of itself; false where its columns allow none. */
export function byIntrospection(state: State): boolean {
  const hasStruct = state.columns.some(({ kind }) => kind === "struct");
  if (hasStruct && state.random.chance(0.8)) return ofStruct(state);
  const form = state.random.weighted<Form>([
    [2, firstColumns],
    [2, allBut],
    [2, byEnd],
    [2, byType],
    [1, wholeNumbers],
    [1, namedAfter],
    [1, source],
  ]);
  return form(state);
}
