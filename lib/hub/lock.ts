/** A lock between processes, as a file: who makes it holds it, and says by its time that it is still at work. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { systemCode } from "../formats/system-error.js";

/** How often the holder says that it is at work, and after how long a silence it is taken for dead. */
const BEAT_MS = 5_000;
const DEAD_MS = 60_000;
const POLL_MS = 200;

/**
 * Runs `work` while this process alone holds the lock at `path`; waits for whoever holds it. The lock of a process that
 * ended without giving it back is taken over.
 * @param onWait told once, where another holds it
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  onWait: () => void = () => undefined,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const own = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  for (let waited = false; !(await take(path, own)); waited = true) {
    if (!waited) onWait();
    await sleep(POLL_MS);
  }
  const beat = setInterval(() => {
    const now = new Date();
    // It is looked at, not relied on: whoever takes a lock over finds out what was done.
    utimes(path, now, now).catch(() => undefined);
  }, BEAT_MS);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if ((await readFile(path, "utf8").catch(() => "")) === own) await rm(path, { force: true });
  }
}

async function take(path: string, own: string): Promise<boolean> {
  try {
    await writeFile(path, own, { flag: "wx" });
    return true;
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
  const holder = await readFile(path, "utf8").catch(() => undefined);
  const state = await stat(path).catch(() => undefined);
  if (holder !== undefined && state !== undefined && isDead(holder, Date.now() - state.mtimeMs)) {
    // Renamed before it goes, so that of several who see this one dead each takes away what it saw.
    const aside = `${path}.${randomUUID()}`;
    await rename(path, aside).catch(() => undefined);
    await rm(aside, { force: true });
  }
  return false;
}

function isDead(holder: string, silentMs: number): boolean {
  if (silentMs > DEAD_MS) return true;
  let data: { pid?: unknown; host?: unknown };
  try {
    data = JSON.parse(holder) as typeof data;
  } catch {
    return false; // It is being written.
  }
  if (data.host !== hostname() || typeof data.pid !== "number") return false;
  try {
    process.kill(data.pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === "ESRCH";
  }
}
