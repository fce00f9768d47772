/**
 * Whether a backend can run here, asked in a process of its own where it opens a driver of the system: a broken driver
 * crashes or hangs whoever opens it.
 */
import { existsSync, readFileSync } from "node:fs";

import { backendPackage, findBackend, installCommand, type BackendFile } from "./backend-file.js";
import { askChild, probeSeconds } from "./child.js";
import { addon, addonPath } from "./native.js";
import { UNPROVEN } from "./unproven.js";
import { fileIdentity, keepVerdict, verdictKey, wentWell } from "./verdicts.js";

/** What keeps a backend from running here. */
export type Obstacle =
  | "not-installed"
  /** Its package is of another version, or damaged. */
  | "unfit"
  | "no-driver"
  | "driver-too-old"
  | "driver-broken"
  | "no-device"
  | "architecture"
  | "unproven"
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

const found = new Map<string, Finding | undefined>();

/**
 * What keeps a backend that opens a driver from running here; each is asked once, and one that runs not again until its
 * library or the driver is another, or the system was started anew. IBERT_PROBE_SECONDS=0 leaves it out, for
 * processes that may start no other.
 * @throws Error of the addon, whose code is an `Obstacle` or none, where the backend's library cannot be loaded
 */
function probeDriver(backend: string, file: BackendFile): Finding | undefined {
  if (!addon().opensDriver(file.open) || probeSeconds() === 0) return undefined;
  if (!found.has(file.library)) found.set(file.library, askDriver(backend, file));
  return found.get(file.library);
}

function askDriver(backend: string, { open, library }: BackendFile): Finding | undefined {
  const key = verdictKey("driver", fileIdentity(addonPath()), fileIdentity(library), driverIdentity());
  if (wentWell(key)) return undefined;
  const ended = askChild<Partial<Finding>>("probe-driver.mjs", [addonPath(), open], probeSeconds());
  switch (ended.how) {
    case "refused":
      return {
        obstacle: "other",
        reason:
          `the backend ${backend} cannot run here: no process could be started to look at its driver: ${ended.message}. ` +
          "Under Node's permission model allow it (--allow-child-process), or set IBERT_PROBE_SECONDS=0 to open the driver " +
          "at once.",
      };
    case "hung":
      return findingOfEnd(backend, { timedOutAfter: ended.seconds, text: "" });
    case "crashed":
      return findingOfEnd(backend, { text: ended.text });
    case "answered":
      if (ended.answer.obstacle !== undefined) return ended.answer as Finding;
      keepVerdict(key);
      return undefined;
  }
}

/**
 * The library of a backend that can run here, or what keeps it from running.
 * @param isChosen whether it would be chosen automatically, which one that no hardware has run is not
 * @param asksDriver whether its driver is asked
 * @throws as `probeDriver`
 */
export function findRunnable(
  backend: string,
  { isChosen, asksDriver }: { isChosen: boolean; asksDriver: boolean },
): BackendFile | Finding {
  const file = findBackend(backend);
  if ("obstacle" in file) return file;
  const unproven = isChosen ? UNPROVEN[backend] : undefined;
  if (unproven !== undefined && existsSync(file.library)) return { obstacle: "unproven", reason: unproven };
  return (asksDriver ? probeDriver(backend, file) : undefined) ?? file;
}

/** The loaded driver and the start of the system: after an update, or a restart, it is tried again. */
function driverIdentity(): string {
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8").trim();
    } catch {
      return "";
    }
  };
  return [
    read("/proc/driver/nvidia/version"),
    read("/proc/sys/kernel/random/boot_id"),
    process.env["CUDA_VISIBLE_DEVICES"] ?? "all",
  ].join(" ");
}

/** Whether this is what one expects of a machine without such a device, and no fault of one that has it. */
export function isExpected({ obstacle }: { obstacle: Obstacle }): boolean {
  if (obstacle === "not-installed" || obstacle === "no-driver" || obstacle === "unproven") return true;
  return obstacle === "no-device" && process.env["CUDA_VISIBLE_DEVICES"] !== undefined;
}

/** What a backend needs, for people. */
export const NEEDS: Readonly<Record<string, string>> = {
  cuda: cudaNeeds(),
  metal: "It needs a Mac with Apple silicon. It is emulated only: no Apple GPU has run it yet.",
  cpu: "Build again: npm run build:native. IBERT_CPU_ISA may force an instruction set that this machine lacks.",
  reference: "Build it: npm run build:native.",
};

function cudaNeeds(): string {
  const name = backendPackage("cuda", `${process.platform}-${process.arch}`);
  if (name === undefined) return "It needs an NVIDIA GPU under Linux.";
  const get = `\`${installCommand(name)}\`; in a checkout \`npm run build:cuda\`, which needs the CUDA toolkit.`;
  return existsSync("/proc/driver/nvidia/version")
    ? `The NVIDIA driver is here, the CUDA kernels are not: ${get}`
    : `It needs an NVIDIA GPU with its driver, and ${get}`;
}
