/** Rows of what rules find in files of Python: programs that were cut out, with a schema that is given or inferred. */
import { sha256OfText } from "../../../formats/hash.js";
import { Random } from "../../../data/random.js";
import type { ExecuteAll, MadeOfSite, MakeRows } from "../../../data/source.js";
import type { CutProgram, DslEngine, Labelled, Schema, Site, VerdictError } from "../../dsl.js";
import { normalisePython } from "../../text/python.js";
import { compactSql } from "../generator/sql/compact.js";
import { completionOf } from "../tasks/completion.js";
import { documentedParameters, parametersOf } from "../tasks/docstring.js";

type Made = MadeOfSite["rows"][number];

/** Characters of a program's SQL. */
const LONGEST_SQL = 750;
/** What inference calls a column that it gives to a table of which it knows none. */
const PLACEHOLDER = "column1";
/** A batch that is slow says something of the machine. */
const PATIENCE_MS = 120_000;

class Refused extends Error {
  constructor(
    readonly reason: string,
    readonly detail = "",
  ) {
    super(reason);
  }
}

const told = (error: VerdictError | undefined): string => `${error?.type}: ${error?.message}`;

/** As `Dsl.makeRows`. */
export function ibisMakeRows(engine: DslEngine, execute?: ExecuteAll): MakeRows {
  const seen = new Set<string>();
  const isNew = ({ text, given, sql = "", function: source = "" }: CutProgram): boolean => {
    const key = sha256OfText(JSON.stringify([text, given, sql, source]));
    return !seen.has(key) && seen.add(key) !== undefined;
  };
  return async (file, sites) => {
    const cut = await engine.programsAt(file, sites);
    return Promise.all(
      cut.map(async (site, i): Promise<MadeOfSite> => {
        if ("reason" in site) return { rows: [], refused: [site] };
        const made: MadeOfSite = { rows: [], refused: [] };
        const news = site.programs.filter(isNew);
        if (news.length < site.programs.length)
          made.refused.push({ reason: "it was found before", detail: "" });
        for (const program of news) {
          try {
            made.rows.push(...(await rowsOf(engine, sites[i] as Site, program, execute)));
          } catch (error) {
            if (!(error instanceof Refused)) throw error;
            made.refused.push({ reason: error.reason, detail: `${error.detail}\n${program.text}`.trim() });
          }
        }
        return made;
      }),
    );
  };
}

async function rowsOf(
  engine: DslEngine,
  { excerpt }: Site,
  cut: CutProgram,
  execute: ExecuteAll | undefined,
): Promise<Made[]> {
  const text = normalisePython(cut.text);
  const schema = await schemaOf(engine, text, cut);
  const labelled = await engine.label(text, { schema, timeoutMs: PATIENCE_MS });
  if (!labelled.ok) throw failed(labelled);
  const compiled = labelled.sql ?? "";
  const sql = compactSql(compiled, schema);
  if (sql.includes("\n")) throw new Refused("its SQL has a text of several lines");
  if (sql.length > LONGEST_SQL)
    throw new Refused("its SQL is too long", `${sql.length} characters; the most is ${LONGEST_SQL}`);
  if (execute !== undefined) {
    const executed = await execute(compiled, [], schema);
    if (typeof executed === "string") throw new Refused("DuckDB does not run it", executed);
    if (!executed.tells) throw new Refused("it gives no rows, or always the same, whatever its tables hold");
  }
  const common = { schema, schemaId: `mined/${Object.keys(schema).join(",")}`, kind: `mined ${excerpt}` };
  const asked = cut.sql ?? sql;
  const rows: Made[] = [
    { task: "ibis_to_sql", fields: { schema, input: text }, completion: asked, ...common },
    { task: "sql_to_ibis", fields: { schema, input: asked }, completion: text, ...common },
  ];
  const completion = completionOf(Random.of(0, "mined", text), text);
  if (completion !== undefined) {
    const { input, completion: rest } = completion;
    rows.push({ task: "code_completion", fields: { schema, input }, completion: rest, ...common });
  }
  const documented = documentation(cut);
  if (documented !== undefined) rows.push({ ...documented, ...common });
  return rows;
}

/** The documentation of a function, where it names the parameters that the function has. */
function documentation({
  function: source,
  docstring,
}: CutProgram): Omit<Made, "schema" | "schemaId"> | undefined {
  if (source === undefined || docstring === undefined) return undefined;
  const [has, names] = [parametersOf(source), documentedParameters(docstring)];
  if (has.length === 0 || has.join() !== names.join()) return undefined;
  const style = /^\s*-{3,}\s*$/m.test(docstring) ? { style: "numpy" } : {};
  return { task: "function_documentation", fields: { input: source, ...style }, completion: docstring };
}

/** The schema that the file gives, and of tables that it gives none the one under which the program builds. */
async function schemaOf(engine: DslEngine, text: string, { given, free }: CutProgram): Promise<Schema> {
  if (free.length === 0) return given;
  const known = Object.entries(given).map(
    ([name, columns]) => `${name} = ibis.table(${JSON.stringify(columns)}, name=${JSON.stringify(name)})\n`,
  );
  const {
    ok,
    inferredSchema = {},
    ...verdict
  } = await engine.check(known.join("") + text, {
    timeoutMs: PATIENCE_MS,
  });
  if (!ok) throw failed({ ok, ...verdict });
  const unknown = Object.entries(inferredSchema).find(([, columns]) =>
    Object.keys(columns).every((name) => name.startsWith(PLACEHOLDER) && !text.includes(name)),
  );
  if (unknown !== undefined) throw new Refused("it names no column of a table", unknown[0]);
  return { ...given, ...inferredSchema };
}

function failed({ error, refused, dependsOnSchema }: Labelled): Refused {
  if (refused === true) return new Refused("the check refuses it", told(error));
  if (dependsOnSchema === true) return new Refused("no schema was found for it", told(error));
  return new Refused("Ibis refuses it", told(error));
}
