/** Processor time of this process and of all that it started, which says more than the clock where others work beside it. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const TICK_MS = process.platform === "linux" ? 1000 / Number(execFileSync("getconf", ["CLK_TCK"])) : 0;

/** `pid → {parent, ms}` of the processes of this machine, whose children that ended are not counted. */
function processes() {
  const found = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number);
      found.set(Number(pid), { parent, ms: (user + system) * TICK_MS });
    } catch {
      // It has ended since.
    }
  }
  return found;
}

/** Milliseconds so far, of all processes that still run; undefined where the system does not tell of others. */
export function cpuMilliseconds() {
  if (process.platform !== "linux") return undefined;
  const all = processes();
  const isOurs = (pid) => pid === process.pid || (all.has(pid) && isOurs(all.get(pid).parent));
  return [...all].reduce((sum, [pid, { ms }]) => (isOurs(pid) ? sum + ms : sum), 0);
}
