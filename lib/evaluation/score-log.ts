/**
 * The scores of an evaluation as lines of JSON, written as they come: one line says what is measured, each other holds one
 * answer. A later sitting with the same settings goes on where the file ends; a line that a crash cut off is taken away.
 */
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { IBertError } from "../errors.js";
import { describeSystemError } from "../formats/system-error.js";
import type { ScoreLog } from "./evaluate.js";
import type { RowScore } from "./metrics.js";

export interface LoggedScore {
  subject: string;
  answer: number;
  score: RowScore;
}

interface Line {
  text: string;
  /** Of the byte behind its line feed. */
  end: number;
}

/** Whole lines; what follows the last line feed is left out. */
async function* wholeLines(path: string): AsyncGenerator<Line> {
  const file = await open(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(1 << 16);
    let rest = Buffer.alloc(0);
    let end = 0;
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) return;
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
        end += at + 1;
        yield { text: rest.toString("utf8", 0, at), end };
        rest = rest.subarray(at + 1);
      }
    }
  } finally {
    await file.close();
  }
}

/** Every score of a file, its texts with it, one at a time. @throws IBertError `row-json` */
export async function* readScores(path: string): AsyncGenerator<LoggedScore> {
  let first = true;
  for await (const { text } of wholeLines(path)) {
    if (!first) yield parseLine(path, text) as LoggedScore;
    first = false;
  }
}

export class ScoreFile {
  private constructor(
    readonly path: string,
    private readonly descriptor: number,
    /** Scores that were there, without the texts of answers, by subject and answer. */
    private readonly known: Map<string, RowScore>,
  ) {}

  /** How many answers were there already. */
  get found(): number {
    return this.known.size;
  }

  /**
   * Opens the file of just these settings, or begins it.
   * @throws IBertError `resume-mismatch` where it holds another evaluation, `row-json` where a line is damaged
   */
  static async open(path: string, settings: object): Promise<ScoreFile> {
    const known = new Map<string, RowScore>();
    const head = JSON.stringify({ settings });
    // As it will be read again.
    const own = JSON.parse(head) as { settings: Record<string, unknown> };
    let size = 0;
    if (existsSync(path)) {
      for await (const { text, end } of wholeLines(path)) {
        if (size === 0) requireSame(path, text, own);
        else {
          const { subject, answer, score } = parseLine(path, text) as LoggedScore;
          known.set(`${subject} ${answer}`, { ...score, prediction: "" });
        }
        size = end;
      }
    }
    try {
      mkdirSync(dirname(path), { recursive: true });
      const descriptor = openSync(path, "a");
      ftruncateSync(descriptor, size);
      if (size === 0) writeSync(descriptor, `${head}\n`);
      return new ScoreFile(path, descriptor, known);
    } catch (error) {
      throw describeSystemError(error, "write", path);
    }
  }

  /** The part of one who is measured. */
  of(subject: string): ScoreLog {
    return {
      known: (answer) => this.known.get(`${subject} ${answer}`),
      add: (answer, score) => {
        const line: LoggedScore = { subject, answer, score };
        try {
          writeSync(this.descriptor, `${JSON.stringify(line)}\n`);
        } catch (error) {
          throw describeSystemError(error, "write", this.path);
        }
      },
    };
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

function parseLine(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new IBertError("row-json", `${path}: a line is no JSON: ${text.slice(0, 60)}`, {
      hint: "Only ibert writes this file; give another --output, or remove the folder.",
      cause,
    });
  }
}

function requireSame(path: string, text: string, head: { settings: Record<string, unknown> }): void {
  const { settings = {} } = parseLine(path, text) as { settings?: Record<string, unknown> };
  const keys = [...new Set([...Object.keys(settings), ...Object.keys(head.settings)])];
  const changed = keys.filter((key) => !isDeepStrictEqual(settings[key], head.settings[key]));
  if (changed.length === 0) return;
  const listed = changed.map(
    (key) => `${key} (${JSON.stringify(settings[key])}, now ${JSON.stringify(head.settings[key])})`,
  );
  throw new IBertError(
    "resume-mismatch",
    `${path} holds an evaluation with another ${listed.join(", another ")}`,
    {
      hint: "Give the options that it began with to go on with it, or another --output.",
    },
  );
}
