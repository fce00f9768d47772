/** Where the addon may lie, and which of its files can be used here: candidates, their trial, and what they were built from. */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { IBertError } from "../errors.js";
import { packageRoot, packageVersion } from "./cache.js";
import { askChild, probeSeconds } from "./child.js";
import { readHost, whyHostCannot } from "./host.js";
import { OP_TABLE } from "./ops.generated.js";
import { fileIdentity, keepVerdict, verdictKey, wentWell } from "./verdicts.js";

/** What an addon says that it was built from. */
export interface AddonBuild {
  /** Of the package. */
  version: string;
  /** Hash of the op table's names and layouts. */
  opTable: string;
  /** Of the interface to backend libraries. */
  backendAbi: number;
}

/** A place where the addon may lie; nothing stands at `problem` where there is a file. */
interface Candidate {
  file: string;
  problem?: string;
  /** What the user does about a file that does not serve. */
  help: string;
}

const require = createRequire(import.meta.url);

/**
 * The places in their order: `$IBERT_ADDON` alone where it is set, else the build of a checkout, else the file for this
 * system in the installed package. The first that has a file is taken, and never replaced by another.
 */
function candidates(): Candidate[] {
  const named = process.env["IBERT_ADDON"];
  if (named !== undefined && named !== "") {
    const help = "Name the ibert.node of a build of this version, or unset IBERT_ADDON.";
    return existsSync(named)
      ? [{ file: path.resolve(named), help }]
      : [{ file: named, problem: `IBERT_ADDON names ${named}`, help }];
  }
  const built = path.join(packageRoot(), "build", "Release", "ibert.node");
  const rebuild = "Build it again: npm run build:native (a C++20 compiler and CMake are needed).";
  if (existsSync(built)) return [{ file: built, help: rebuild }];
  const prebuilds = path.join(packageRoot(), "prebuilds");
  const { platform } = readHost();
  const install = `Install ibert again: npm install ibert@${packageVersion()}. In a checkout run \`npm run build:native\` (a C++20 compiler and CMake are needed).`;
  const first = { file: built, problem: "not there", help: rebuild };
  try {
    // node-gyp-build looks into prebuilds/<platform> for what this Node and libc can load.
    const file = (require("node-gyp-build") as { resolve(root: string): string }).resolve(packageRoot());
    return [first, { file, help: install }];
  } catch {
    const problem = describePrebuilds(prebuilds, platform);
    return [first, { file: path.join(prebuilds, platform), problem, help: install }];
  }
}

/** What lies where the addon of a platform should. */
function describePrebuilds(folder: string, platform: string): string {
  const list = (of: string): string[] => (existsSync(of) ? readdirSync(of) : []);
  const files = list(path.join(folder, platform)).filter((name) => name.endsWith(".node"));
  if (files.length > 0) return `holds ${files.join(", ")}, not for this system's C library or this Node`;
  const others = list(folder);
  return others.length === 0 ? "not there" : `not there, beside it ${others.join(", ")}`;
}

function missing(places: readonly Candidate[]): IBertError {
  const host = readHost();
  const lines = places.map(({ file, problem }) =>
    problem?.includes(file) === true ? problem : `${file}: ${problem}`,
  );
  const text = places.length === 1 ? `: ${lines[0]}` : ` for ${host.platform}:\n${lines.join("\n")}`;
  return new IBertError("addon-missing", `ibert's native addon is not there${text}`, {
    hint: whyHostCannot(host) ?? (places.at(-1) as Candidate).help,
  });
}

function chosen(): Candidate {
  const places = candidates();
  const found = places.find(({ problem }) => problem === undefined);
  if (found === undefined) throw missing(places);
  return found;
}

/**
 * The file that is the addon here, whether or not it can be used.
 * @throws IBertError `addon-missing` that lists where it was looked for
 */
export const addonPath = (): string => chosen().file;

/**
 * Loads the addon. A file that was not loaded on this system before is first tried in a process of its own, so that one
 * that crashes takes nobody with it (`IBERT_PROBE_SECONDS=0` leaves that out), and one of another version is refused.
 * @throws IBertError `addon-missing`; `addon-unfit` with the file, what is found and what is needed, and what helps
 */
export function loadAddon(): object {
  const { file, help } = chosen();
  const problem = tryOut(file);
  if (problem !== undefined) throw unfit(file, problem, help);
  let loaded: { build?: AddonBuild };
  try {
    loaded = require(file) as typeof loaded;
  } catch (cause) {
    throw unfit(file, (cause as Error).message, help, cause);
  }
  const stale = whyStale(loaded.build, { version: packageVersion(), opTable: OP_TABLE });
  if (stale === undefined) return loaded;
  throw new IBertError("addon-unfit", `${file} belongs to another version of ibert: ${stale}`, {
    hint: help,
  });
}

function unfit(file: string, why: string, help: string, cause?: unknown): IBertError {
  const text = why.includes(file) ? why : `${file}: ${why}`;
  return new IBertError("addon-unfit", `ibert's native addon does not load: ${text}`, {
    hint: whyHostCannot(readHost()) ?? `The file is damaged, or for another system. ${help}`,
    cause,
  });
}

/** What an addon was built from, held against what this package needs. */
export function whyStale(
  found: AddonBuild | undefined,
  needed: Pick<AddonBuild, "version" | "opTable">,
): string | undefined {
  if (found === undefined) return `it names none, and ${needed.version} is needed`;
  if (found.version !== needed.version) return `it is of ${found.version}, and ${needed.version} is needed`;
  if (found.opTable !== needed.opTable) {
    return `its op table is ${found.opTable}, and ${needed.opTable} is needed (version ${needed.version} both)`;
  }
  return undefined;
}

/** Loading opens no driver: this is for a machine that is busy, not for a file that is good. */
const TRIAL_SECONDS = 60;

/** Under which name it is kept that a file loads. */
export const trialKey = (file: string): string => verdictKey("addon", fileIdentity(file));

/** Once for each file on each system: why it cannot be loaded here, found out by a process of its own. */
function tryOut(file: string): string | undefined {
  if (probeSeconds() === 0) return undefined;
  const key = trialKey(file);
  if (wentWell(key)) return undefined;
  const ended = askChild<{ problem?: string }>("probe-addon.mjs", [file], TRIAL_SECONDS);
  switch (ended.how) {
    case "refused":
      return undefined; // Where no process may be started, it is loaded untried.
    case "crashed":
      return `a process of its own that loaded it ${ended.text}`;
    case "hung":
      return `a process of its own that loaded it had no answer after ${ended.seconds} s`;
    case "answered":
      if (ended.answer.problem === undefined) keepVerdict(key);
      return ended.answer.problem;
  }
}
