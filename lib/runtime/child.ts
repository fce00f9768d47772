/** One question to a process of its own, which whatever it opens may crash or hang. */
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { fileURLToPath } from "node:url";

export type Ended<T> =
  | { how: "answered"; answer: T }
  | { how: "crashed"; text: string }
  | { how: "hung"; seconds: number }
  /** No process could be started. */
  | { how: "refused"; message: string };

/** How long a process may take to open a driver: `$IBERT_PROBE_SECONDS`, else 30. */
export function probeSeconds(): number {
  const chosen = process.env["IBERT_PROBE_SECONDS"];
  const seconds = chosen === undefined || chosen === "" ? 30 : Number(chosen);
  return seconds >= 0 ? seconds : 30;
}

/** "was ended by SIGSEGV: …", with the last line that it wrote. */
export function describeEnd(signal: string | null | undefined, code: unknown, stderr: string): string {
  const how = signal ? `was ended by ${signal}` : `ended with ${String(code)}`;
  const last = stderr.trim().split("\n").at(-1) ?? "";
  return last === "" ? how : `${how}: ${last}`;
}

/** Runs a script beside this file, which prints its answer as a last line of JSON within so many seconds. */
export function askChild<T>(script: string, words: readonly string[], seconds: number): Ended<T> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  // What our caller loads or debugs is not for this process; and where Node is part of Electron, it is to be Node.
  const env = { ...process.env, ELECTRON_RUN_AS_NODE: "1" };
  delete (env as NodeJS.ProcessEnv)["NODE_OPTIONS"];
  let ended: SpawnSyncReturns<string>;
  try {
    ended = spawnSync(process.execPath, [path, ...words], {
      timeout: seconds * 1000,
      killSignal: "SIGKILL",
      encoding: "utf8",
      windowsHide: true,
      env,
    });
  } catch (error) {
    return { how: "refused", message: (error as Error).message }; // Node's permission model throws
  }
  const { error, signal, status, stdout, stderr } = ended;
  if (error !== undefined) {
    return (error as NodeJS.ErrnoException).code === "ETIMEDOUT"
      ? { how: "hung", seconds }
      : { how: "refused", message: error.message };
  }
  const text = describeEnd(signal, status, stderr);
  if (status !== 0) return { how: "crashed", text };
  try {
    return { how: "answered", answer: JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as T };
  } catch {
    return { how: "crashed", text: `${text}, without an answer` };
  }
}
