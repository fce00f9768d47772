/**
 * SQL cut into tokens, by the lexical rules of the dialects that DSLs compile to. It never fails: a string or a comment
 * that does not end reaches to the end of the text.
 */
export type SqlTokenKind = "word" | "quoted" | "string" | "number" | "symbol";

export interface SqlToken {
  kind: SqlTokenKind;
  text: string;
  /** Where it stands in the text that it was read from; absent for a token that was made up. */
  start?: number;
  end?: number;
}

interface Rules {
  /** Quotes of strings, the longest first. */
  strings: readonly string[];
  /** Whether a backslash keeps a quote from ending a string. */
  backslash: boolean;
  /** Opening quotes of names. */
  names: readonly string[];
  /** What begins a comment that ends with its line. */
  lineComment: RegExp;
  nestedComments: boolean;
  /** `$$ … $$`, `$tag$ … $tag$`, and E'…', in which a backslash counts. */
  postgresStrings: boolean;
}

const STANDARD: Rules = {
  strings: ["'"],
  backslash: false,
  names: ['"', "`"],
  lineComment: /--/y,
  nestedComments: true,
  postgresStrings: false,
};
const POSTGRES: Rules = { ...STANDARD, postgresStrings: true };
const FLAT: Rules = { ...STANDARD, nestedComments: false };
const HIVE: Rules = { ...STANDARD, strings: ["'", '"'], backslash: true, names: ["`"] };
const MYSQL: Rules = { ...HIVE, lineComment: /--(?=\s|$)|#/y, nestedComments: false };

const RULES: Readonly<Record<string, Rules>> = {
  athena: { ...STANDARD, backslash: true },
  bigquery: { ...HIVE, strings: ['"""', "'''", '"', "'"], lineComment: /--|#/y, nestedComments: false },
  clickhouse: { ...POSTGRES, backslash: true, lineComment: /--|#[ !]/y },
  databricks: HIVE,
  flink: { ...STANDARD, strings: ["'", '"'], names: ["`"] },
  impala: HIVE,
  mssql: { ...STANDARD, names: ["[", '"'] },
  mysql: MYSQL,
  oracle: FLAT,
  pyspark: HIVE,
  singlestoredb: MYSQL,
  snowflake: { ...POSTGRES, backslash: true, lineComment: /--|\/\//y, nestedComments: false },
  sqlite: { ...FLAT, names: ['"', "[", "`"] },
  trino: FLAT,
};

const SPACE = /\s+/uy;
const NUMBER =
  /0[xX][\da-fA-F]+|(?:\d(?:_?\d)*(?:\.(?!\.)(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d+)?/y;
const WORD = /[\p{L}\p{Nl}_][\p{L}\p{M}\p{Nl}\p{Nd}_$]*/uy;
const SYMBOL =
  /<=>|->>|#>>|!~~\*?|!~\*|~~\*|\|\|\/|<->|->|#>|#-|::|:=|=>|<=|>=|<>|!=|==|!~|~~|~\*|\^@|@>|<@|@@|\|\||\|>|\|\/|&&|\*\*|\/\/|<<|>>|\?\||\?&|\.\.|[^]/uy;
const DOLLAR = /\$(?:[\p{L}_][\p{L}\p{Nd}_]*)?\$/uy;
const ORACLE_STRING = /[nN]?[qQ]'(?:\[[^]*?\]'|\{[^]*?\}'|\([^]*?\)'|<[^]*?>'|([^\s[{(<])[^]*?\1')/y;

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

/** End of what is quoted from `at` on by `open` … `close`, in which a doubled quote stands for itself. */
function quotedEnd(sql: string, at: number, open: string, close: string, backslash: boolean): number {
  let i = at + open.length;
  while (i < sql.length) {
    if (backslash && sql[i] === "\\") i += 2;
    else if (!sql.startsWith(close, i)) i++;
    else if (close.length === 1 && sql[i + 1] === close) i += 2;
    else return i + close.length;
  }
  return sql.length;
}

/** End of a `/* … *\/` comment. */
function blockCommentEnd(sql: string, at: number, nested: boolean): number {
  let depth = 1;
  for (let i = at + 2; i < sql.length; i++) {
    if (sql.startsWith("*/", i)) {
      if (--depth === 0) return i + 2;
      i++;
    } else if (nested && sql.startsWith("/*", i)) {
      depth++;
      i++;
    }
  }
  return sql.length;
}

/** End of the comment that begins at `at`; undefined when none does. */
function commentEnd(sql: string, at: number, rules: Rules): number | undefined {
  if (sql.startsWith("/*", at)) return blockCommentEnd(sql, at, rules.nestedComments);
  if (match(rules.lineComment, sql, at) === undefined) return undefined;
  const end = sql.slice(at).search(/[\r\n]/);
  return end < 0 ? sql.length : at + end;
}

/** The string or quoted name that begins at `at`, with its prefix. */
function quotedAt(sql: string, at: number, rules: Rules): { kind: SqlTokenKind; end: number } | undefined {
  const oracle = rules === FLAT ? match(ORACLE_STRING, sql, at) : undefined;
  if (oracle !== undefined) return { kind: "string", end: at + oracle.length };
  const dollar = rules.postgresStrings ? match(DOLLAR, sql, at) : undefined;
  if (dollar !== undefined) {
    const end = sql.indexOf(dollar, at + dollar.length);
    return { kind: "string", end: end < 0 ? sql.length : end + dollar.length };
  }
  // E'…', N'…', X'…', B'…', r'…', U&'…'
  const prefix = match(/(?:[a-z]{1,2}|u&)(?=['"])/iy, sql, at) ?? "";
  const quoteAt = at + prefix.length;
  const quote = rules.strings.find((one) => sql.startsWith(one, quoteAt));
  if (quote !== undefined) {
    const backslash = rules.backslash || (rules.postgresStrings && /^e$/i.test(prefix));
    return { kind: "string", end: quotedEnd(sql, quoteAt, quote, quote, backslash) };
  }
  const name = rules.names.find((one) => sql.startsWith(one, at));
  if (name === undefined) return undefined;
  return { kind: "quoted", end: quotedEnd(sql, at, name, name === "[" ? "]" : name, false) };
}

/** The operator or mark at `at`; it ends where a comment begins. */
function symbolAt(sql: string, at: number): string {
  const text = match(SYMBOL, sql, at) as string;
  for (let i = 1; i < text.length; i++) {
    if (/^(?:--|\/\*)/.test(sql.slice(at + i, at + i + 2))) return text.slice(0, i);
  }
  return text;
}

/** The tokens of a text in `dialect`, without comments. A dialect that is not known is read as DuckDB's. */
export function lexSql(sql: string, dialect = "duckdb"): SqlToken[] {
  const rules = RULES[dialect] ?? POSTGRES;
  const tokens: SqlToken[] = [];
  const push = (kind: SqlTokenKind, start: number, end: number): number => {
    tokens.push({ kind, text: sql.slice(start, end), start, end });
    return end;
  };
  for (let at = 0; at < sql.length;) {
    const skipped = commentEnd(sql, at, rules) ?? at + (match(SPACE, sql, at)?.length ?? 0);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const quoted = quotedAt(sql, at, rules);
    if (quoted !== undefined) {
      at = push(quoted.kind, at, quoted.end);
      continue;
    }
    const number = match(NUMBER, sql, at);
    const word = number === undefined ? match(WORD, sql, at) : undefined;
    const text = number ?? word ?? symbolAt(sql, at);
    at = push(number !== undefined ? "number" : word !== undefined ? "word" : "symbol", at, at + text.length);
  }
  return tokens;
}
