import { spawn, type ChildProcessByStdio } from "node:child_process";
import { realpathSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { isErrorCode, type IBertErrorCode } from "../../error-codes.js";
import { IBertError } from "../../errors.js";
import { systemIsolation, type Isolation } from "./isolation.js";

/** What runs in a sandbox: a script that speaks the protocol of `protocol.mjs`. */
export interface SandboxProgram {
  /** What it is, for messages: `Node with Pyodide`. */
  name: string;
  /** Absolute path. */
  script: string;
  /** Files, and folders with a slash at the end, that the process may read beside its script. */
  readable: string[];
  /** Options of Node beside its permission model. */
  nodeOptions: string[];
  /** The script's first message. */
  config: unknown;
  /** What the system puts around the process (default: all that it lets us). */
  isolation?: Isolation;
  /** Where a process of this program does not start: what to start in its place. */
  otherwise?: () => Promise<SandboxProgram>;
}

/** Why a request got no answer: the text ran too long, or the process ended under it. */
export class SandboxFailure extends Error {
  constructor(
    readonly kind: "timeout" | "crash",
    message: string,
  ) {
    super(message);
    this.name = "SandboxFailure";
  }
}

const START_TIMEOUT_MS = 120_000;
const MAXIMUM_LINE_BYTES = 64 * 2 ** 20;
const STDERR_KEPT = 4000;

const errorSchema = z.object({
  code: z.string().transform((code): IBertErrorCode => (isErrorCode(code) ? code : "sandbox-failed")),
  message: z.string(),
});
const readySchema = z.union([z.object({ ready: z.literal(true) }), z.object({ error: errorSchema })]);
const lineSchema = z.object({ id: z.number(), answer: z.string() });
const answerSchema = z.union([z.object({ result: z.unknown() }), z.object({ error: errorSchema })]);

interface Waiting {
  resolve: (line: string) => void;
  reject: (error: Error) => void;
}

/** Options of Node that leave the process nothing but reading the files named, and no code made from strings. */
function nodeOptions({ script, readable, nodeOptions: own }: SandboxProgram): string[] {
  const permission = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";
  return [
    permission,
    ...[script, sandboxFile("protocol.mjs"), sandboxFile("lockdown.mjs"), ...readable].map(
      (path) => `--allow-fs-read=${path}`,
    ),
    "--no-warnings",
    "--disallow-code-generation-from-strings",
    "--max-old-space-size=256",
    ...own,
  ];
}

/** The real path of a file of this folder. */
export function sandboxFile(name: string): string {
  return realpathSync(fileURLToPath(new URL(name, import.meta.url)));
}

/** One locked-down child process. It serves one request at a time and does not keep the event loop alive when idle. */
export class SandboxProcess {
  private waiting: Waiting | undefined;
  private ended: Error | undefined;
  private buffered: Buffer[] = [];
  private bufferedBytes = 0;
  private stderr = "";
  private nextId = 1;
  /** Requests answered so far. */
  served = 0;

  private constructor(private readonly child: ChildProcessByStdio<Writable, Readable, Readable>) {
    child.stdout.on("data", (chunk: Buffer) => this.receive(chunk));
    child.stderr.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString("utf8")).slice(-STDERR_KEPT);
    });
    child.stdin.on("error", () => undefined); // the exit handler tells
    child.on("error", (error) => this.end(error));
    child.on("exit", (code, signal) => {
      const last = this.stderr.trim().split("\n").at(-1) ?? "";
      this.end(new SandboxFailure("crash", `the sandbox ended (${signal ?? `exit ${code}`}) ${last}`.trim()));
    });
  }

  /** Starts a process and waits until it can serve. Throws IBertError when it cannot. */
  static async start(program: SandboxProgram): Promise<SandboxProcess> {
    const isolation = program.isolation ?? (await systemIsolation());
    const command = [...isolation.prefix, process.execPath, ...nodeOptions(program), program.script];
    const child = spawn(command[0] ?? process.execPath, command.slice(1), {
      cwd: "/",
      env: {},
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own: Ctrl-C at the terminal is for the parent, which decides what becomes of its workers.
      detached: process.platform !== "win32",
      windowsHide: true,
    });
    const started = new SandboxProcess(child);
    try {
      const ready = readySchema.parse(JSON.parse(await started.exchange(program.config, START_TIMEOUT_MS)));
      if ("error" in ready) throw new IBertError(ready.error.code, ready.error.message);
      return started;
    } catch (error) {
      started.kill();
      if (error instanceof IBertError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new IBertError(
        "sandbox-start",
        `the sandbox did not start: ${reason}\n${started.stderr}`.trim(),
        {
          hint: `it runs ${program.name}; \`ibert doctor\` shows what this machine offers it`,
          cause: error,
        },
      );
    }
  }

  get alive(): boolean {
    return this.ended === undefined;
  }

  /**
   * Asks the program. Throws SandboxFailure when the time is up (the process is then killed) or when the process
   * ends, and IBertError for an error that the program itself reports.
   */
  async request(method: string, params: unknown, timeoutMs: number): Promise<unknown> {
    const id = this.nextId++;
    const line = lineSchema.parse(JSON.parse(await this.exchange({ id, method, params }, timeoutMs)));
    if (line.id !== id) {
      this.kill();
      throw new SandboxFailure("crash", "the sandbox answered out of turn");
    }
    this.served++;
    const answer = answerSchema.parse(JSON.parse(line.answer));
    if ("error" in answer) throw new IBertError(answer.error.code, answer.error.message);
    return answer.result;
  }

  kill(): void {
    this.end(new SandboxFailure("crash", "the sandbox was stopped"));
    this.child.kill("SIGKILL");
  }

  /** Ends the process and waits until it is gone. */
  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.keepAlive(true);
    this.kill();
    await gone;
  }

  private async exchange(message: unknown, timeoutMs: number): Promise<string> {
    if (this.ended !== undefined) throw this.ended;
    this.keepAlive(true);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((resolve, reject) => {
        this.waiting = { resolve, reject };
        timer = setTimeout(() => {
          reject(new SandboxFailure("timeout", `no answer within ${timeoutMs} ms`));
          this.kill();
        }, timeoutMs);
        this.child.stdin.write(JSON.stringify(message) + "\n");
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
      this.keepAlive(false);
    }
  }

  private receive(chunk: Buffer): void {
    const newline = chunk.indexOf(10);
    this.bufferedBytes += chunk.length;
    if (newline < 0) {
      this.buffered.push(chunk);
      if (this.bufferedBytes > MAXIMUM_LINE_BYTES) this.kill();
      return;
    }
    const line = Buffer.concat([...this.buffered, chunk.subarray(0, newline)]).toString("utf8");
    const rest = chunk.subarray(newline + 1);
    this.buffered = [];
    this.bufferedBytes = 0;
    this.waiting?.resolve(line);
    // One request, one line: more is not of our protocol.
    if (rest.length > 0) this.kill();
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.waiting?.reject(this.ended);
  }

  private keepAlive(busy: boolean): void {
    const { child } = this;
    for (const handle of [child, child.stdin, child.stdout, child.stderr] as {
      ref(): void;
      unref(): void;
    }[]) {
      if (busy) handle.ref();
      else handle.unref();
    }
  }
}
