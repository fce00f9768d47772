import { createHash } from "node:crypto";
import { access, chmod, constants, lstat, mkdir, readFile, readdir, rm, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { z } from "zod";
import { writeFileAtomic } from "../../formats/atomic.js";
import { sandboxFile, SandboxProcess, type SandboxProgram } from "./sandbox-process.js";

// Making one takes as long as it once took to start, writing a few hundred megabytes a second.
const MAKE_TIMEOUT_MS = 120_000;
const EXTENSION = ".snapshot";
/** Snapshots kept in a folder: one is some 50 MB, and each change of a program's sources makes another. */
const KEPT = 4;
const OTHERS_MAY_WRITE = 0o022;

/** What goes into an interpreter's memory besides Pyodide itself. */
export interface SnapshotContents {
  /** Folder of Pyodide. */
  pyodide: string;
  wheels: readonly { path: string; sha256: string }[];
  modules: Readonly<Record<string, string>>;
  entry: string;
}

async function digest(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** Names the memory that comes of these contents: what differs in anything that goes into it has another key. */
export async function snapshotKey({ pyodide, wheels, modules, entry }: SnapshotContents): Promise<string> {
  const pyodideFiles = (await readdir(pyodide)).filter((name) => /\.(mjs|wasm|zip)$/.test(name)).sort();
  const ours = ["snapshot.mjs", "pyodide-worker.mjs", "lockdown.mjs"].map(sandboxFile);
  const files = [...pyodideFiles.map((name) => join(pyodide, name)), ...ours];
  const described = {
    node: process.versions,
    machine: [process.platform, process.arch],
    files: await Promise.all(files.map(async (path) => [basename(path), await digest(path)])),
    // The process that loads a wheel checks that it has this digest.
    wheels: wheels.map(({ path, sha256 }) => [basename(path), sha256]),
    modules: Object.entries(modules).sort(([a], [b]) => (a < b ? -1 : 1)),
    entry,
  };
  return createHash("sha256").update(JSON.stringify(described)).digest("hex");
}

/** Whether the file is there, and nobody but us (and the system's administrator) can have written it. */
async function isOurs(path: string): Promise<boolean> {
  try {
    const status = await lstat(path);
    if (!status.isFile()) return false;
    if (process.getuid === undefined) return true;
    const { uid, mode } = status;
    return (uid === process.getuid() || uid === 0) && (mode & OTHERS_MAY_WRITE) === 0;
  } catch {
    return false;
  }
}

/** Whether files can be made in the folder, which is made where it is not there. */
async function canKeep(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Removes the snapshots that were used longest ago. A process that was about to read one makes it anew. */
async function prune(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(EXTENSION));
  const used = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      return { path, time: await lstat(path).then(({ mtimeMs }) => mtimeMs, () => 0) }; // prettier-ignore
    }),
  );
  const old = used.sort((a, b) => b.time - a.time).slice(KEPT);
  await Promise.all(old.map(({ path }) => rm(path, { force: true })));
}

/** Snapshots in a folder of this user's. Nothing here fails: where none can be kept, programs start without. */
export class SnapshotStore {
  constructor(private readonly folder: string) {}

  path(key: string): string {
    return join(this.folder, `${key}${EXTENSION}`);
  }

  /**
   * The path of the snapshot `key`, made by `maker` (a program whose method `snapshot` gives it) where it is not there;
   * undefined where it cannot be made or written. What hinders the maker hinders a process that loads all by itself,
   * which then says so.
   */
  async find(key: string, maker: SandboxProgram): Promise<string | undefined> {
    const path = this.path(key);
    if (await isOurs(path)) {
      const now = new Date();
      await utimes(path, now, now).catch(() => undefined);
      return path;
    }
    if (!(await canKeep(this.folder))) return undefined;
    try {
      const bytes = await makeSnapshot(maker);
      await writeFileAtomic(path, bytes);
      await chmod(path, 0o600); // whatever the umask lets others do
      await prune(this.folder);
    } catch {
      return undefined;
    }
    return (await isOurs(path)) ? path : undefined;
  }

  async remove(key: string): Promise<void> {
    await rm(this.path(key), { force: true }).catch(() => undefined);
  }
}

async function makeSnapshot(maker: SandboxProgram): Promise<Buffer> {
  const process = await SandboxProcess.start(maker);
  try {
    const answer = z.string().parse(await process.request("snapshot", {}, MAKE_TIMEOUT_MS));
    return await promisify(inflateRaw)(Buffer.from(answer, "base64"));
  } finally {
    await process.close();
  }
}
