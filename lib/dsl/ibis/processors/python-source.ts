/** Python files as people write them, cut into what a program of its own needs. */
import { lexPython } from "../../text/python-lexer.js";

/** A function of a module, whose body is dedented and begins behind its docstring. */
export interface PythonFunction {
  name: string;
  parameters: string[];
  body: string;
  /** 1-based line of `def` in the module. */
  line: number;
}

const FUNCTION = /^def (\w+)\(([^)]*)\)[^:\n]*:\n((?:(?:[ \t]+[^\n]*)?\n)*)/gm;

/** The functions at the top of a module. */
export function functionsOf(source: string): PythonFunction[] {
  return [...`${source}\n`.matchAll(FUNCTION)].map((match) => {
    const [, name = "", list = "", block = ""] = match;
    return {
      name,
      parameters: list
        .split(",")
        .map((parameter) => parameter.trim())
        .filter((parameter) => parameter !== ""),
      body: withoutDocstring(dedent(block)),
      line: source.slice(0, match.index).split("\n").length,
    };
  });
}

/** A block without the indentation of its first line. */
function dedent(block: string): string {
  const indent = /^[ \t]+/.exec(block)?.[0] ?? "";
  return block
    .split("\n")
    .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()))
    .join("\n");
}

const withoutDocstring = (body: string): string =>
  body.replace(/^\s*(?:"""[^]*?"""|'''[^]*?'''|"[^"\n]*"|'[^'\n]*')[ \t]*\n/, "");

/** The code alone, without lines of comments and blank ones, whose end is not the end of the code. */
export function withoutComments(code: string): string {
  return code
    .split("\n")
    .filter((line) => !/^\s*(?:#.*)?$/.test(line))
    .join("\n");
}

/** The code whose only `return` is its last statement, with the value alone there; undefined where it is another one. */
export function returnedLast(body: string): string | undefined {
  const returns = [...body.matchAll(/^return\b/gm)];
  const [only] = returns;
  if (returns.length !== 1 || only === undefined) return undefined;
  const value = body.slice(only.index + "return".length).trim();
  // What follows the value at the margin would be never reached, unless it closes a bracket.
  if (
    value
      .split("\n")
      .slice(1)
      .some((line) => /^[\w@]/.test(line))
  )
    return undefined;
  return value === "" ? undefined : body.slice(0, only.index) + value;
}

/** Names that a module binds by its imports → the shortest statement that binds each. */
export function importsOf(source: string): Map<string, string> {
  const found = new Map<string, string>();
  const bind = (module: string | undefined, list: string): void => {
    for (const part of list.replace(/[()\n]/g, " ").split(",")) {
      const [, name, alias] = /^\s*([\w.]+)(?:\s+as\s+(\w+))?\s*$/.exec(part) ?? [];
      if (name === undefined) continue;
      const bound = alias ?? name.split(".")[0] ?? name;
      const written = alias === undefined ? name : `${name} as ${alias}`;
      found.set(bound, module === undefined ? `import ${written}` : `from ${module} import ${written}`);
    }
  };
  for (const [, module, list = ""] of source.matchAll(/^from ([\w.]+) import (\([^)]*\)|[^\n#]+)/gm)) {
    if (module !== "__future__") bind(module, list);
  }
  for (const [, list = ""] of source.matchAll(/^import ([^\n#]+)/gm)) bind(undefined, list);
  return found;
}

/** Names that a text uses, those of arguments among them, other than behind a dot. */
export function namesOf(code: string): Set<string> {
  const pieces = lexPython(code).filter(({ kind }) => kind !== "space");
  const names = pieces.flatMap(({ kind, text }, i) =>
    kind === "name" && pieces[i - 1]?.text !== "." ? [text] : [],
  );
  return new Set(names);
}

/** The code behind the imports that it needs, but for those of `known` names, which every prompt has. */
export function withImports(
  code: string,
  imports: ReadonlyMap<string, string>,
  known: ReadonlySet<string>,
): string {
  const used = namesOf(code);
  const needed = [...imports].filter(([name]) => used.has(name) && !known.has(name)).map(([, line]) => line);
  return [...needed, code].join("\n");
}
