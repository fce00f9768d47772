// What a run of many sittings remembers: one folder, one JSON file, which says which stages are finished, how long each took,
// and what each ran. The file is replaced whole, so that a sitting may end anywhere.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { isDeepStrictEqual } from "node:util";

/** How often the time of a stage is written down, in milliseconds: what a killed sitting loses at most. */
const BEAT = 5000;

export class SittingOver extends Error {}
export class RunError extends Error {}

export function writeAtomic(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

export const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** Whether a process runs; one that ended and that nobody waited for does not. */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
  const status = `/proc/${pid}/stat`;
  return !existsSync(status) || !/^\d+ \(.*\) [ZX]/s.test(readFileSync(status, "utf8"));
}

export class RunState {
  #path;
  #lock;
  #end;
  #say;
  #data;

  /**
   * Opens the folder of a run, or begins it.
   * @param plan what decides the numbers; a folder of another plan is refused
   * @param seconds after which the stage in hand is asked to end
   * @throws RunError where the folder has another plan, or another process is at work in it
   */
  constructor(folder, plan, { seconds = Infinity, say = console.log } = {}) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.#path = join(folder, "state.json");
    this.#lock = join(folder, "lock.json");
    this.#end = Date.now() + 1000 * seconds;
    this.#say = say;
    this.#data = existsSync(this.#path) ? readJson(this.#path) : { format: 1, plan, stages: {} };
    const { plan: known } = this.#data;
    const changed = Object.keys({ ...known, ...plan }).filter(
      (key) => !isDeepStrictEqual(known[key], plan[key]),
    );
    if (changed.length > 0) {
      throw new RunError(`${folder} holds a run with another ${changed.join(", ")}; give another --output`);
    }
    this.#takeLock();
    this.#save();
  }

  /** A killed run may leave its program at work, which would write into the same folders. */
  #takeLock() {
    if (existsSync(this.#lock)) {
      const { pids } = readJson(this.#lock);
      const alive = pids.filter((pid) => pid !== process.pid && isAlive(pid));
      if (alive.length > 0) {
        throw new RunError(
          `${this.folder}: process ${alive.join(", ")} is at work there; end it, or remove ${this.#lock} if it is none of this run's`,
        );
      }
    }
    this.#holds([process.pid]);
  }

  #holds(pids) {
    writeAtomic(this.#lock, JSON.stringify({ pids }));
  }

  #save() {
    writeAtomic(this.#path, `${JSON.stringify(this.#data, null, 1)}\n`);
  }

  close() {
    rmSync(this.#lock, { force: true });
  }

  /** The stages that were begun, by name. */
  get stages() {
    return this.#data.stages;
  }

  isDone(name) {
    return this.stages[name]?.done === true;
  }

  /**
   * Does a stage unless it is done: `work` is given what runs a program. A stage that ends early is begun again by the next
   * sitting; its programs go on from what they wrote.
   * @param estimate seconds that it is thought to take, for the reader
   * @param commit of the checkout that does it
   */
  async stage(name, estimate, commit, work) {
    if (this.isDone(name)) {
      this.#say(`${name}: done, in ${duration(this.stages[name].seconds)}`);
      return;
    }
    const stage = (this.stages[name] ??= { done: false, seconds: 0, sittings: 0, commits: [], commands: [] });
    this.#say(
      `${name}: about ${duration(estimate)}${stage.seconds > 0 ? `, of which ${duration(stage.seconds)} were spent` : ""}`,
    );
    if (Date.now() >= this.#end) throw new SittingOver(name);
    stage.sittings++;
    stage.commands = [];
    if (!stage.commits.includes(commit)) stage.commits.push(commit);
    const [before, began] = [stage.seconds, Date.now()];
    const beat = () => {
      stage.seconds = before + (Date.now() - began) / 1000;
      this.#save();
    };
    beat();
    const timer = setInterval(beat, BEAT);
    try {
      await work((program, args, shown) => this.#run(name, program, args, shown));
      stage.done = true;
    } finally {
      clearInterval(timer);
      beat();
    }
    this.#say(`${name}: ${duration(stage.seconds)}`);
  }

  /** Runs a program to its end. @param shown the command as a person would write it */
  async #run(name, program, args, shown) {
    this.stages[name].commands.push(shown);
    this.#save();
    this.#say(`$ ${shown}`);
    const child = spawn(program, args, { stdio: "inherit" });
    const ask = () => child.kill("SIGINT");
    process.on("SIGTERM", ask);
    // A terminal interrupts the program too; this process waits for it to end.
    const wait = () => undefined;
    process.on("SIGINT", wait);
    const left = this.#end - Date.now();
    const timer = Number.isFinite(left) ? setTimeout(ask, Math.max(0, left)) : undefined;
    try {
      const code = await new Promise((resolve, reject) => {
        child.on("error", reject);
        child.on("spawn", () => this.#holds([process.pid, child.pid]));
        child.on("close", (status, signal) => resolve(signal === null ? status : signal));
      });
      if (code === 0) return;
      if (code === 130 || code === "SIGINT") throw new SittingOver(name);
      throw new RunError(`${name}: it ended with ${code}: ${shown}`);
    } finally {
      clearTimeout(timer);
      process.off("SIGTERM", ask);
      process.off("SIGINT", wait);
      this.#holds([process.pid]);
    }
  }
}
