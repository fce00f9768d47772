/** The system that this process runs on, held against what the package's binaries need. */
import { execFileSync } from "node:child_process";
import { release } from "node:os";

export interface Host {
  /** "linux-x64", in Node's words. */
  platform: string;
  /** Version of the GNU C library, where the process runs on it. */
  glibc?: string;
  /** Version of the system's kernel. */
  kernel: string;
  /** Whether an x64 process runs on a Mac with Apple silicon, through Rosetta. */
  translated: boolean;
}

/** What the binaries of a release are built for, and the oldest system that loads them; macOS by its kernel. */
export const FLOORS: Readonly<Record<string, { glibc: string } | { macos: string; kernel: string }>> = {
  "linux-x64": { glibc: "2.28" },
  "linux-arm64": { glibc: "2.28" },
  "darwin-arm64": { macos: "13.0", kernel: "22" },
};

/** Looks at the system; takes some milliseconds. */
export function readHost(): Host {
  const glibc = process.platform === "linux" ? glibcVersion() : undefined;
  return {
    platform: `${process.platform}-${process.arch}`,
    ...(glibc === undefined ? {} : { glibc }),
    kernel: release(),
    translated: process.platform === "darwin" && process.arch === "x64" && isTranslated(),
  };
}

/** Nothing under another C library, such as musl. */
function glibcVersion(): string | undefined {
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // or it asks for the names of open connections
  try {
    return (report.getReport() as { header?: { glibcVersionRuntime?: string } }).header?.glibcVersionRuntime;
  } finally {
    report.excludeNetwork = before;
  }
}

function isTranslated(): boolean {
  try {
    return execFileSync("sysctl", ["-n", "sysctl.proc_translated"], { encoding: "utf8" }).trim() === "1";
  } catch {
    return false; // a Mac with an Intel processor has no such key
  }
}

/** Why the package's binaries cannot run on a system: what is found, what is needed, and what helps. */
export function whyHostCannot({ platform, glibc, kernel, translated }: Host): string | undefined {
  if (translated) {
    return (
      "This is Node for x64, translated by Rosetta on a Mac with Apple silicon; darwin-arm64 is needed. " +
      "Install Node for arm64, after which `node -p process.arch` prints arm64, and run `npm install` again."
    );
  }
  const floor = FLOORS[platform];
  if (floor === undefined) {
    const help = platform.startsWith("win32-")
      ? "Run it in the Windows Subsystem for Linux: `wsl --install`, then Node and ibert inside it."
      : "Where a C++20 compiler and CMake are, a checkout may build its own: `npm run build:native`.";
    return `This is ${platform}; the package has binaries for ${Object.keys(FLOORS).join(", ")}. ${help}`;
  }
  if ("macos" in floor) {
    return isOlder(kernel, floor.kernel)
      ? `This macOS has the kernel Darwin ${kernel}; macOS ${floor.macos} (Darwin ${floor.kernel}) is needed. Update macOS.`
      : undefined;
  }
  const help =
    "Use a newer system (Debian 10, Ubuntu 20.04, RHEL 8 or later), or build in a checkout: `npm run build:native`.";
  if (glibc === undefined) {
    return (
      `This Linux has another C library than GNU's, such as Alpine's musl; glibc ${floor.glibc} is needed. ` +
      "In a container, begin with node:22-bookworm-slim; or build in a checkout: `npm run build:native`."
    );
  }
  return isOlder(glibc, floor.glibc)
    ? `This Linux has glibc ${glibc}; ${floor.glibc} is needed. ${help}`
    : undefined;
}

/** Whether a version ("2.9") comes before another one ("2.28"). */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number)) as [number[], number[]];
  const at = b.findIndex((number, i) => (a[i] ?? 0) !== number);
  return at >= 0 && (a[at] ?? 0) < (b[at] as number);
}
