/** Semgrep, a program of Python's: where it is, and what its rules match in texts. It runs offline. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { z } from "zod";

import { IBertError } from "../../errors.js";
import { packageRoot } from "../../runtime/cache.js";
import type { ExcerptKind, Rule } from "./rules.js";

/** The version that the rules are tested with. */
export const SEMGREP = "semgrep==1.185.0";

/** A place that a rule matches: lines and columns from 1, the end beyond the last character. */
export interface Match {
  rule: string;
  excerpt: ExcerptKind;
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}

const place = z.object({ line: z.int(), col: z.int() });
const reportShape = z.object({
  version: z.string(),
  results: z.array(
    z.object({
      check_id: z.string(),
      path: z.string(),
      start: place,
      end: place,
    }),
  ),
  errors: z.array(
    z.object({ message: z.string().default(""), path: z.string().optional(), level: z.string() }),
  ),
});

/** Seconds that one rule may take over one file. */
const RULE_TIMEOUT = 20;

/**
 * The program: that of the environment which `scripts/semgrep/setup.sh` makes, else the one on the path.
 * @throws IBertError `semgrep-missing`, with the command that gets it
 */
export function findSemgrep(
  root: string = packageRoot(),
  path: string | undefined = process.env["PATH"],
): string {
  const name = process.platform === "win32" ? "semgrep.exe" : "semgrep";
  const own = join(root, ".venv-semgrep", process.platform === "win32" ? "Scripts" : "bin");
  const folders = [own, ...(path ?? "").split(delimiter).filter((folder) => folder !== "")];
  const found = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  const script = join(root, "scripts", "semgrep", "setup.sh"); // not in the package
  throw new IBertError("semgrep-missing", `semgrep is neither in ${own} nor on the PATH`, {
    hint: existsSync(script)
      ? `Get it with: bash ${script}`
      : `Get it with: python3 -m pip install ${SEMGREP} (in an environment whose programs are on the PATH)`,
  });
}

export interface Scan {
  version: string;
  /** Of each text, in the order of lines, columns and rules. */
  matches: Match[][];
  /** Why a text could not be matched by all rules; absent where it was. */
  faults: (string | undefined)[];
}

/**
 * What rules match in Python texts. One start takes some two seconds, however few they are.
 * @param signal ends Semgrep and all that it has started
 * @throws IBertError `semgrep-failed` with what it printed, `semgrep-missing`; the signal's reason
 */
export async function scan(
  program: string,
  rules: readonly Rule[],
  texts: readonly string[],
  signal?: AbortSignal,
): Promise<Scan> {
  const folder = await mkdtemp(join(tmpdir(), "ibert-mine-"));
  try {
    // Copies, under names of no meaning: Semgrep passes over folders that are called `tests`.
    const sources = join(folder, "sources");
    await mkdir(sources);
    // In one file: Semgrep starts a process to check each.
    const config = join(folder, "rules.json");
    await writeFile(config, JSON.stringify({ rules }));
    await Promise.all(texts.map((text, i) => writeFile(join(sources, `${i}.py`), text)));
    const words = [
      ...["scan", "--metrics", "off", "--disable-version-check", "--no-git-ignore", "--quiet", "--json"],
      ...["--max-target-bytes", "0", "--timeout", String(RULE_TIMEOUT), "--config", config, sources],
    ];
    const { output, errors, code } = await run(program, words, join(folder, "settings.yml"), signal);
    signal?.throwIfAborted();
    const report = parse(output);
    if (report === undefined || (code !== 0 && report.results.length === 0)) {
      const said = report?.errors.map(({ message }) => message).join("; ") ?? "";
      const [reason = `it ended with ${code}`] = [said, errors.trim(), output.trim()].filter(
        (text) => text !== "",
      );
      throw new IBertError("semgrep-failed", `${program}: ${reason.slice(0, 2000)}`, {
        hint: `The rules are tested with ${SEMGREP}.`,
      });
    }
    return sorted(report, rules, texts.length);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const numberOf = (path: string): number => Number(/(\d+)\.py$/.exec(path)?.[1]);

function sorted(
  { version, results, errors }: z.infer<typeof reportShape>,
  rules: readonly Rule[],
  count: number,
): Scan {
  const excerpts = new Map(rules.map(({ id, metadata }) => [id, metadata.excerpt]));
  const matches = Array.from({ length: count }, (): Match[] => []);
  for (const { check_id: id, path, start, end } of results) {
    // Semgrep puts the folders of the file before the rule's own name.
    const rule = id.slice(id.lastIndexOf(".") + 1);
    matches[numberOf(path)]?.push({
      rule,
      excerpt: excerpts.get(rule) ?? "statement",
      line: start.line,
      column: start.col,
      endLine: end.line,
      endColumn: end.col,
    });
  }
  const key = (one: Match): [number, number, number, number] => [
    one.line,
    one.column,
    one.endLine,
    one.endColumn,
  ];
  for (const own of matches) {
    own.sort((one, other) => {
      const differs = key(one)
        .map((number, i) => number - (key(other)[i] ?? 0))
        .find((difference) => difference !== 0);
      return differs ?? (one.rule < other.rule ? -1 : 1);
    });
  }
  const faults = new Array<string | undefined>(count);
  for (const { path, message } of errors) {
    if (path !== undefined) faults[numberOf(path)] ??= message.split("\n")[0];
  }
  return { version, matches, faults };
}

function parse(output: string): z.infer<typeof reportShape> | undefined {
  try {
    return reportShape.parse(JSON.parse(output));
  } catch {
    return undefined;
  }
}

function run(
  program: string,
  words: readonly string[],
  settings: string,
  signal: AbortSignal | undefined,
): Promise<{ output: string; errors: string; code: number | null }> {
  const env = { ...process.env, SEMGREP_SETTINGS_FILE: settings, SEMGREP_SEND_METRICS: "off" };
  return new Promise((resolve, reject) => {
    // A group of its own: it ends together with the processes that it starts, and when we say so.
    const detached = process.platform !== "win32";
    const child = spawn(program, words, { env, detached, stdio: ["ignore", "pipe", "pipe"] });
    const end = (): void => {
      try {
        if (detached && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
        else child.kill();
      } catch {
        // It has ended by itself.
      }
    };
    if (signal?.aborted === true) end();
    signal?.addEventListener("abort", end);
    const [output, errors]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    child.on("error", (cause) => {
      signal?.removeEventListener("abort", end);
      reject(new IBertError("semgrep-failed", `${program} cannot be run: ${cause.message}`, { cause }));
    });
    child.on("close", (code) => {
      signal?.removeEventListener("abort", end);
      resolve({ output: Buffer.concat(output).toString(), errors: Buffer.concat(errors).toString(), code });
    });
  });
}
