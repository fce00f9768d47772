import { execFile } from "node:child_process";

/** What the system itself adds around the sandbox's process. */
export interface Isolation {
  /** Programs, with their options, that run the process: put before its own command. */
  prefix: string[];
  /** The process has a network namespace of its own, with nothing in it. */
  network: boolean;
  /** The system limits its memory and forbids it to write files. */
  limits: boolean;
}

const MAXIMUM_DATA_BYTES = 3 * 2 ** 30;
const MAXIMUM_CPU_SECONDS = 7200;

// In order: the outermost first. Each is tried once, on top of those that worked before it.
const LAYERS = [
  // Dies with its parent, even if that is killed; never gains a privilege.
  { name: "lifetime", command: ["setpriv", "--no-new-privs", "--pdeathsig", "KILL"] },
  // No network, no sight of other processes.
  {
    name: "network",
    command: ["unshare", "--map-root-user", "--net", "--pid", "--ipc", "--fork", "--kill-child"],
  },
  { name: "network", command: ["unshare", "--map-root-user", "--net"] },
  {
    name: "limits",
    command: [
      "prlimit",
      "--core=0",
      "--fsize=0",
      `--data=${MAXIMUM_DATA_BYTES}`,
      `--cpu=${MAXIMUM_CPU_SECONDS}`,
    ],
  },
] as const;

function works(command: string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const [file = "", ...args] = [...command, process.execPath, "--version"];
    execFile(file, args, { timeout: 10_000, env: {} }, (error) => resolve(error === null));
  });
}

async function detect(): Promise<Isolation> {
  const prefix: string[] = [];
  const names = new Set<string>();
  if (process.platform === "linux") {
    for (const { name, command } of LAYERS) {
      if (!names.has(name) && (await works([...prefix, ...command]))) {
        prefix.push(...command);
        names.add(name);
      }
    }
  }
  return { prefix, network: names.has("network"), limits: names.has("limits") };
}

let detected: Promise<Isolation> | undefined;

/** Finds out, once, what this system lets us put around the process. Nothing of it is required. */
export function systemIsolation(): Promise<Isolation> {
  return (detected ??= detect());
}
