/** The verdict on each part of a machine, from the facts that `diagnose` found. */
import { IBertError } from "../errors.js";
import { isExpected } from "../runtime/probe.js";
import { OLDEST_NODE, whyNodeIsTooOld } from "../runtime/node-version.js";
import type { BackendDiagnosis, Diagnosis } from "./diagnose.js";

/**
 * `ok`; `absent`: not here, and nothing asks for it; `warning`: works, but less than it might; `broken`: ibert, or what was
 * asked for, cannot work.
 */
export type PartVerdict = "ok" | "absent" | "warning" | "broken";

export interface Part {
  part: string;
  verdict: PartVerdict;
  reason: string;
  /** What to do about it. */
  fix?: string;
}

export type Facts = Omit<Diagnosis, "parts">;

/** Below them a corpus or an adapter may not fit, or training a small model. */
const LEAST_DISK_BYTES = 2e9;
const LEAST_MEMORY_BYTES = 2e9;

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** All parts, in the order in which one depends on another. */
export function judgeParts(found: Facts): Part[] {
  return [
    node(found),
    system(found),
    addon(found),
    ...found.backends.map((backend) => judgeBackend(backend, askedBackends(found))),
    ...unknownBackends(found),
    wheels(found),
    sandbox(found),
    duckDb(found),
    models(found),
    disk(found),
    memory(found),
    ...config(found),
  ];
}

function node({ platform }: Facts): Part {
  const problem = whyNodeIsTooOld(platform.node);
  return problem === undefined
    ? { part: "node", verdict: "ok", reason: `${platform.node}, and ${OLDEST_NODE} is needed` }
    : { part: "node", verdict: "broken", reason: problem, fix: `Install Node ${OLDEST_NODE} or later.` };
}

function system({ platform }: Facts): Part {
  const { system, architecture, release, glibc, problem } = platform;
  const is = `${system}-${architecture}, kernel ${release}${glibc === undefined ? "" : `, glibc ${glibc}`}`;
  return problem === undefined
    ? { part: "system", verdict: "ok", reason: is }
    : { part: "system", verdict: "broken", reason: `${is}. ${problem}` };
}

function addon({ addon: { path, build, problem, fix } }: Facts): Part {
  if (problem !== undefined) return withFix({ part: "addon", verdict: "broken", reason: problem }, fix);
  const of = build === undefined ? "" : `version ${build.version}, op table ${build.opTable}, `;
  return { part: "addon", verdict: "ok", reason: `${of}${path}` };
}

const withFix = (part: Part, fix: string | undefined): Part =>
  fix === undefined || fix === "" ? part : { ...part, fix };

/** Whom somebody asked for by name, and how. */
function askedBackends({ auto, config: file }: Facts): Map<string, string> {
  const asked = new Map<string, string>();
  if (file?.backend !== undefined && file.backend !== "auto") asked.set(file.backend, file.file);
  if (auto.asked !== undefined) asked.set(auto.asked, "IBERT_BACKEND");
  return asked;
}

function judgeBackend(found: BackendDiagnosis, asked: ReadonlyMap<string, string>): Part {
  const { name, device, library, unproven, obstacle, reason = "", help } = found;
  const part = `backend ${name}`;
  const asker = asked.get(name);
  if (device !== undefined) {
    const threads = device.threads > 0 ? `, ${device.threads} threads` : "";
    const is = `${device.name}, ${device.architecture}${threads}${describeLibrary(library)}`;
    return unproven === undefined
      ? { part, verdict: "ok", reason: is }
      : { part, verdict: "warning", reason: `${is}; ${unproven}` };
  }
  const isNeeded = name === "cpu" || asker !== undefined;
  const expected = obstacle !== undefined && isExpected({ obstacle });
  return withFix(
    {
      part,
      verdict: isNeeded ? "broken" : expected ? "absent" : "warning",
      reason:
        (asker === undefined ? reason : `${asker} asks for it, and ${reason}`) + describeLibrary(library),
    },
    help,
  );
}

/** A library that a package brought. */
function describeLibrary(library: BackendDiagnosis["library"]): string {
  if (library === undefined) return "";
  const { file, build } = library;
  const { version, commit, toolkit, minimumDriver } = build;
  return `; ${file}, version ${version} of ${commit.slice(0, 12)}, CUDA ${toolkit}, driver ${minimumDriver} or later`;
}

/** Asked for by name, with nothing looked at because there is no addon to look with. */
function unknownBackends(found: Facts): Part[] {
  const known = new Set(found.backends.map(({ name }) => name));
  return [...askedBackends(found)]
    .filter(([name]) => !known.has(name))
    .map(([name, asker]) => ({
      part: `backend ${name}`,
      verdict: "broken",
      reason: `${asker} asks for it, and it cannot be opened without the addon`,
    }));
}

function wheels({ cache: { wheels: text, wheelsFix } }: Facts): Part {
  return wheelsFix === undefined
    ? { part: "wheels", verdict: "ok", reason: text }
    : { part: "wheels", verdict: "broken", reason: text, fix: wheelsFix };
}

function sandbox({ sandbox: { start, network, limits } }: Facts): Part {
  const part = "sandbox";
  if (start !== undefined && "problem" in start) {
    return withFix({ part, verdict: "broken", reason: start.problem }, start.fix);
  }
  const began =
    start === undefined ? "not started (--quick)" : `starts in ${(start.milliseconds / 1000).toFixed(1)} s`;
  const lacks = [network ? [] : "the network is not cut off", limits ? [] : "no system limits"].flat();
  if (lacks.length === 0) return { part, verdict: "ok", reason: `${began}; no network, system limits` };
  return {
    part,
    verdict: "warning",
    reason: `${began}; ${lacks.join(", ")}: Node's permission model and the interpreter's allow-list remain`,
    fix: "On Linux: install util-linux (unshare, setpriv, prlimit) and allow unprivileged user namespaces.",
  };
}

function duckDb({ sqlJudge: { duckdb } }: Facts): Part {
  return duckdb === undefined
    ? {
        part: "duckdb",
        verdict: "absent",
        reason: "sqlglot alone judges SQL, and no answer is executed",
        fix: "npm install @duckdb/node-api",
      }
    : { part: "duckdb", verdict: "ok", reason: duckdb };
}

function models({ cache: { folder, models: presets } }: Facts): Part {
  const here = presets.filter(({ path }) => path !== undefined).map(({ preset }) => preset);
  const part = "models";
  return here.length > 0
    ? { part, verdict: "ok", reason: `${here.join(", ")} in ${folder}` }
    : { part, verdict: "absent", reason: `no preset is in ${folder}`, fix: "npx ibert model pull <preset>" };
}

function disk({ disk: { folder, freeBytes, problem } }: Facts): Part {
  const part = "disk";
  if (problem !== undefined) {
    const fix = "Give this user the right to it, or name another folder in IBERT_CACHE.";
    return { part, verdict: "warning", reason: `${folder}: ${problem}`, fix };
  }
  const reason = `${gigabytes(freeBytes)} free at ${folder}`;
  return freeBytes >= LEAST_DISK_BYTES
    ? { part, verdict: "ok", reason }
    : { part, verdict: "warning", reason, fix: "Free some space, or name another folder in IBERT_CACHE." };
}

function memory({ memory: { availableBytes, totalBytes } }: Facts): Part {
  const part = "memory";
  const reason = `${gigabytes(availableBytes)} of ${gigabytes(totalBytes)} available`;
  return availableBytes >= LEAST_MEMORY_BYTES
    ? { part, verdict: "ok", reason }
    : {
        part,
        verdict: "warning",
        reason,
        fix: "End what holds it; `ibert-train --dry-run` says what a run needs.",
      };
}

function config({ config: found }: Facts): Part[] {
  if (found === undefined) return [];
  const part = "config";
  const { file, problem, fix, missing } = found;
  if (problem !== undefined) return [withFix({ part, verdict: "broken", reason: problem }, fix)];
  if (missing === undefined) return [{ part, verdict: "ok", reason: file }];
  return [withFix({ part, verdict: "warning", reason: `${file}: ${missing}` }, fix)];
}

/** Message and hint of an error apart, as reason and fix. */
export function reasonAndFix(error: unknown): { problem: string; fix?: string } {
  if (!(error instanceof IBertError) || error.hint === undefined) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
  return { problem: error.message.slice(0, -`\n  ${error.hint}`.length), fix: error.hint };
}
