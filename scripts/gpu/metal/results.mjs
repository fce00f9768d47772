/** How what came of a step is written down. */

const LINES = 120;

/** "metal-apple-m2-pro-0123456.json" */
export function nameOfResults(backend, { device, commit }) {
  const plain = device
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  const short = commit.slice(0, 7) + (commit.endsWith("-changed") ? "-changed" : "");
  // One of the emulator or the CPU tries the script; only a Mac's own begins with "metal-".
  return `${backend === "metal" ? "metal" : `try-${backend}`}-${plain}-${short}.json`;
}

const OUTCOMES = { 0: "ok", 3: "cannot run" };

function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/**
 * Of a program that ended as `spawnSync` tells: `{ step, outcome, exitCode, seconds, command, figures, output }`. One that was
 * to print figures and did not has failed.
 */
export function resultOf({ name, command, env, figures }, ended, seconds) {
  const found = figures === true ? objectOf(ended.stdout ?? "") : null;
  const lines = [found === null ? ended.stdout : "", ended.stderr, ended.error?.message]
    .filter((text) => typeof text === "string" && text !== "")
    .flatMap((text) => text.trimEnd().split("\n"));
  const timedOut = ended.error?.code === "ETIMEDOUT";
  const lacksFigures = ended.status === 0 && figures === true && found === null;
  return {
    step: name,
    outcome: timedOut ? "timed out" : lacksFigures ? "failed" : (OUTCOMES[ended.status] ?? "failed"),
    exitCode: ended.status,
    seconds,
    command: [...Object.entries(env ?? {}).map(([key, value]) => `${key}=${value}`), ...command].join(" "),
    figures: found,
    output: lines.slice(-LINES),
  };
}
