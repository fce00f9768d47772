/** Where the peers are, and their installation: by the benchmark, into its own places. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { capture, Participant } from "./driver.mjs";

const folder = fileURLToPath(new URL("peers/", import.meta.url));

const READY = {
  torch: join(folder, "..", ".venv", ".ready"),
  mistral: join(folder, "..", ".venv-mistral", ".ready"),
};
/** Whether a peer's packages are those of an interpreter that is named, which has them. */
const isNamed = (what) => what === "torch" && process.env.IBERT_BENCH_PYTHON !== undefined;

/** Installs a peer where it is not there yet. @param what `torch`, `llama` or `mistral` */
export async function installPeer(what, log) {
  const there =
    what === "llama"
      ? existsSync(join(folder, "node_modules", "node-llama-cpp"))
      : !isNamed(what) && existsSync(READY[what]);
  if (there) return;
  log(`setting up the peer ${what}`);
  await capture("bash", [join(folder, "setup.sh"), what]);
  // An interpreter alone may be what an installation that was broken off has left.
  if (what !== "llama" && !isNamed(what)) writeFileSync(READY[what], "");
}

export function python() {
  return process.env.IBERT_BENCH_PYTHON ?? join(folder, "..", ".venv", "bin", "python");
}

/** A function that starts a PyTorch peer. Everything is on this machine: nothing may be asked of the hub. */
export function torchPeer(name, script, args) {
  const env = { ...process.env, HF_HUB_OFFLINE: "1" };
  return () => Participant.start(name, python(), [join(folder, script), ...args], { env });
}

/** The interpreter that has mistral-common. */
export const mistralPython = join(folder, "..", ".venv-mistral", "bin", "python");

/** A function that starts mistral-common. */
export function mistralPeer(args) {
  const script = join(folder, "mistral_tokenizer.py");
  return () => Participant.start("mistral-common", mistralPython, [script, ...args]);
}

export function llamaPeer(args) {
  return () => Participant.start("llama.cpp", process.execPath, [join(folder, "llama.mjs"), ...args]);
}

/** A function that starts our own side. */
export function ours(name, script, args) {
  const path = fileURLToPath(new URL(`ours/${script}`, import.meta.url));
  return () => Participant.start(name, process.execPath, [path, ...args]);
}
