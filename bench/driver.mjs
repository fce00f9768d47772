/**
 * A process that does one side of a benchmark, and the rounds that several of them do in turns.
 *
 * The line protocol (bench/peers/protocol.py and bench/ours/protocol.mjs speak it): the process starts, loads, warms up
 * and writes one JSON line { hello, ... }. Each line `round N` makes it do one round and answer { round: N, ... }; it
 * ends with its input. While one works, the others wait for their line and use no processor.
 */
import { spawn } from "node:child_process";
import { basename, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What to type in the root of the checkout to run the same process. */
export function shellCommand(command, args) {
  const words = [command, ...args].map((word) => {
    if (word === process.execPath) return "node";
    if (word === process.env.IBERT_BENCH_PYTHON) return "$IBERT_BENCH_PYTHON";
    const short = word.startsWith(root) ? relative(root, word) : word;
    return /^[\w@%+=:,./-]+$/.test(short) ? short : `'${short.replaceAll("'", "'\\''")}'`;
  });
  return words.join(" ");
}

export class Participant {
  /** Starts the process; `ready()` waits for its hello line. */
  constructor(name, command, args, options = {}) {
    this.name = name;
    this.command = shellCommand(command, args);
    this.answers = [];
    this.stderr = "";
    this.child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stderr.on("data", (chunk) => {
      this.stderr = (this.stderr + chunk).slice(-4000);
    });
    this.failure = new Promise((_, reject) => {
      this.child.on("error", (error) => reject(new Error(`${name}: ${error.message}`)));
      this.child.on("close", (code, signal) =>
        reject(new Error(`${name} ended (${signal ?? code}): ${this.command}\n${this.stderr.trim()}`)),
      );
    });
    // Waited for only while an answer is due.
    this.failure.catch(() => undefined);
    // A process that is gone says so by `close`, not by a broken pipe.
    this.child.stdin.on("error", () => undefined);
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  static start(name, command, args, options) {
    return new Participant(name, command, args, options);
  }

  async ready() {
    this.hello = await this.read((value) => value.hello !== undefined);
    return this;
  }

  async round(number) {
    this.child.stdin.write(`round ${number}\n`);
    const answer = await this.read((value) => value.round === number);
    this.answers.push(answer);
    return answer;
  }

  /** One number of every round. */
  values(pick) {
    return this.answers.map(pick);
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = this.failure.catch(() => undefined);
    this.child.stdin.end();
    await closed;
  }

  kill() {
    this.child.kill("SIGKILL");
  }

  async read(wanted) {
    for (;;) {
      const line = await Promise.race([this.lines.next(), this.failure]);
      if (line.done === true) await this.failure;
      // Libraries print their own lines now and then.
      if (!line.value.startsWith("{")) continue;
      const value = JSON.parse(line.value);
      if (value.error !== undefined) throw new Error(`${this.name}: ${value.error}`);
      if (wanted(value)) return value;
    }
  }
}

/**
 * Starts every participant, lets each load alone, and then has them work in turns: A B … A B …, `rounds` times.
 * @param starters functions that start a Participant
 * @param peak measured before every round, while all are idle
 * @param quiet waited for before every turn
 * @param between what else is measured before every round
 */
export async function inTurns(starters, rounds, { log, peak, quiet, between }) {
  const participants = [];
  try {
    for (const start of starters) {
      const participant = start();
      participants.push(participant);
      log(`loading ${participant.name}`);
      await participant.ready();
    }
    for (let round = 1; round <= rounds; round++) {
      await quiet.wait();
      await peak.measure();
      await between?.();
      for (const participant of participants) {
        await quiet.wait();
        log(`round ${round} of ${rounds}: ${participant.name}`);
        await participant.round(round);
      }
    }
    await Promise.all(participants.map((participant) => participant.stop()));
    return participants;
  } catch (error) {
    for (const participant of participants) participant.kill();
    throw error;
  }
}

/** Runs a program to its end and returns its standard output. */
export function capture(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => (stderr = (stderr + chunk).slice(-4000)));
    child.on("error", (error) => reject(new Error(`${basename(command)}: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(stdout);
      else
        reject(
          new Error(`${shellCommand(command, args)} ended (${signal ?? code})\n${stderr.trim() || stdout}`),
        );
    });
  });
}
