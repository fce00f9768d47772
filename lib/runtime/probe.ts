/**
 * Whether a backend can run here, asked in a process of its own where it opens a driver of the system: a broken driver
 * crashes or hangs whoever opens it.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { addon, addonPath } from "./native.js";

/** What keeps a backend from running here. */
export type Obstacle =
  | "not-installed"
  | "no-driver"
  | "driver-too-old"
  | "driver-broken"
  | "no-device"
  | "architecture"
  | "crashed"
  | "hung"
  | "other";

export interface Finding {
  obstacle: Obstacle;
  /** For people, with what would help. */
  reason: string;
}

/** Of an error that the addon threw. */
export function findingOf(error: unknown): Finding {
  const { message: reason, code } = error as NodeJS.ErrnoException;
  return { obstacle: (code ?? "other") as Obstacle, reason };
}

/** How long a process may take to open a driver: `$IBERT_PROBE_SECONDS`, else 30. */
export function probeSeconds(): number {
  const chosen = process.env["IBERT_PROBE_SECONDS"];
  const seconds = chosen === undefined || chosen === "" ? 30 : Number(chosen);
  return seconds >= 0 ? seconds : 30;
}

/** Of a process that opened a backend and ended without an answer. */
export function findingOfEnd(
  backend: string,
  how: { timedOutAfter?: number | undefined; text: string },
): Finding {
  const cannot = `the backend ${backend} cannot run here: a process of its own that opened it`;
  const help = OF_THE_HOST.has(backend)
    ? ""
    : " Its driver may be broken: see what nvidia-smi says; after an update of the driver, restart the machine.";
  return how.timedOutAfter !== undefined
    ? {
        obstacle: "hung",
        reason: `${cannot} had no answer after ${how.timedOutAfter} s.${help} IBERT_PROBE_SECONDS allows more time.`,
      }
    : { obstacle: "crashed", reason: `${cannot} ${how.text}.${help}` };
}

/** They have no driver. */
export const OF_THE_HOST: ReadonlySet<string> = new Set(["cpu", "reference"]);

/** "was ended by SIGSEGV: …", with the last line that it wrote. */
export function describeEnd(signal: string | null | undefined, code: unknown, stderr: string): string {
  const how = signal ? `was ended by ${signal}` : `ended with ${String(code)}`;
  const last = stderr.trim().split("\n").at(-1) ?? "";
  return last === "" ? how : `${how}: ${last}`;
}

const found = new Map<string, Finding | undefined>();

/**
 * What keeps a backend that opens a driver from running here; each is asked once. IBERT_PROBE_SECONDS=0 leaves it out, for
 * processes that may start no other.
 * @throws Error of the addon, whose code is an `Obstacle` or none, where the backend's library cannot be loaded
 */
export function probeDriver(backend: string): Finding | undefined {
  if (!addon().opensDriver(backend) || probeSeconds() === 0) return undefined;
  if (!found.has(backend)) found.set(backend, askDriver(backend));
  return found.get(backend);
}

function askDriver(backend: string): Finding | undefined {
  const script = fileURLToPath(new URL("probe-driver.mjs", import.meta.url));
  const env = { ...process.env };
  delete env["NODE_OPTIONS"]; // what our caller loads or debugs is not for this process
  const { error, signal, status, stdout, stderr } = spawnSync(
    process.execPath,
    [script, addonPath(), backend],
    { timeout: probeSeconds() * 1000, killSignal: "SIGKILL", encoding: "utf8", windowsHide: true, env },
  );
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== "ETIMEDOUT") {
    return {
      obstacle: "other",
      reason:
        `the backend ${backend} cannot run here: no process could be started to look at its driver: ${error.message}. ` +
        "Under Node's permission model allow it (--allow-child-process), or set IBERT_PROBE_SECONDS=0 to open the driver " +
        "at once.",
    };
  }
  if (error !== undefined) return findingOfEnd(backend, { timedOutAfter: probeSeconds(), text: "" });
  const text = describeEnd(signal, status, stderr);
  if (status !== 0) return findingOfEnd(backend, { text });
  try {
    const answer = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Partial<Finding>;
    return answer.obstacle === undefined ? undefined : (answer as Finding);
  } catch {
    return findingOfEnd(backend, { text: `${text}, without an answer` });
  }
}

/** Whether this is what one expects of a machine without such a device, and no fault of one that has it. */
export function isExpected({ obstacle }: { obstacle: Obstacle }): boolean {
  if (obstacle === "not-installed" || obstacle === "no-driver") return true;
  return obstacle === "no-device" && process.env["CUDA_VISIBLE_DEVICES"] !== undefined;
}

/** What a backend needs, for people. */
export const NEEDS: Record<string, string> = {
  cuda: existsSync("/proc/driver/nvidia/version")
    ? "The NVIDIA driver is here, but this build has no CUDA kernels: in a checkout run `npm run build:cuda`."
    : "It needs an NVIDIA GPU with its driver, and in a checkout `npm run build:cuda`, which needs the CUDA toolkit.",
  metal: "It needs a Mac with Apple silicon, and a build with Metal kernels.",
  cpu: "Build again: npm run build:native. IBERT_CPU_ISA may force an instruction set that this machine lacks.",
  reference: "Build it: npm run build:native.",
};
