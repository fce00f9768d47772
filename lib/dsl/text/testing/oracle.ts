/** Other people's lexers, for tests: Python's own `tokenize`, and sqlglot's, both in Pyodide. */
import { readFileSync } from "node:fs";
import { loadPyodide, type PyodideAPI } from "pyodide";
import { locateWheels } from "../../ibis/wheels.js";

const SOURCE = `
import io, json, tokenize, warnings
import sqlglot

warnings.simplefilter("ignore")

SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.NEWLINE, tokenize.ENDMARKER}

def python_tokens(source):
    "The tokens, with where logical lines end and blocks begin; null for a text that is no Python."
    try:
        out = []
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NEWLINE:
                out.append("<newline>")
            elif token.type in (tokenize.INDENT, tokenize.DEDENT):
                out.append("<" + tokenize.tok_name[token.type] + ">")
            elif token.type not in SKIPPED:
                out.append(token.string)
        compile(source, "<text>", "exec", __import__("ast").PyCF_ONLY_AST)
        return json.dumps(out)
    except (SyntaxError, tokenize.TokenError, ValueError):
        return "null"

def sql_tokens(sql, dialect):
    try:
        return json.dumps([[t.token_type.name, t.text] for t in sqlglot.tokenize(sql, read=dialect)])
    except Exception:
        return "null"
`;

export interface LexerOracle {
  /** Undefined for a text that is no Python. */
  python(source: string): string[] | undefined;
  /** `[type, text]`; undefined for a text that does not lex. */
  sql(sql: string, dialect: string): [string, string][] | undefined;
}

export async function lexerOracle(): Promise<LexerOracle> {
  const pyodide: PyodideAPI = await loadPyodide();
  const version = pyodide.runPython("import sys; '%d.%d' % sys.version_info[:2]") as string;
  for (const { path } of locateWheels()) {
    if (!path.includes("sqlglot")) continue;
    const extractDir = `/lib/python${version}/site-packages`;
    pyodide.unpackArchive(new Uint8Array(readFileSync(path)), "zip", { extractDir });
  }
  pyodide.runPython(SOURCE);
  const ask = <T>(name: string, ...words: string[]): T | undefined => {
    const call = pyodide.runPython(name) as (...words: string[]) => string;
    return (JSON.parse(call(...words)) as T | null) ?? undefined;
  };
  return {
    python: (source) => ask("python_tokens", source),
    sql: (sql, dialect) => ask("sql_tokens", sql, dialect),
  };
}
