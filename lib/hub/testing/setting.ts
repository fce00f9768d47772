/** What the tests of pulls share: a small model on a hub of this machine, and an empty cache. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import { temporaryFolder } from "../../formats/testing/temporary.js";
import { pullModel, type PullOptions } from "../pull.js";
import { hubSettings } from "../settings.js";
import { hashOf, hubServer, type HubServer } from "./hub-server.js";

const INDEX = {
  weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
};
const random = (length: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 7919 + seed * 31 + (i >> 8)) & 255));
export const FILES: Record<string, Buffer> = {
  "config.json": Buffer.from("{}"),
  "README.md": Buffer.from("of no use here"),
  "model-00001-of-00002.safetensors": random(300_000, 1),
  "model-00002-of-00002.safetensors": random(200_001, 2),
  "model.safetensors.index.json": Buffer.from(JSON.stringify(INDEX)),
  "pytorch_model.bin": random(100, 4),
  "tekken.json": Buffer.from('{"é": 1}'),
};
export const WANTED = [
  "config.json",
  "model-00001-of-00002.safetensors",
  "model-00002-of-00002.safetensors",
  "model.safetensors.index.json",
  "tekken.json",
];
export const SHARD = "model-00001-of-00002.safetensors";
export const hash = (name: string): string => hashOf(name, FILES[name] as Buffer);

/** A hub, an empty cache, and what a pull between them does. */
export interface Setting {
  hub: HubServer;
  cache: string;
  repository: string;
  waits: number[];
  reports: string[];
  pull: (revision?: string, options?: PullOptions, name?: string) => ReturnType<typeof pullModel>;
}

export async function setting(files = FILES, environment: Record<string, string> = {}): Promise<Setting> {
  const hub = await hubServer(files);
  const cache = temporaryFolder();
  const settings = hubSettings({
    HF_HUB_CACHE: cache,
    HF_HOME: cache,
    HF_ENDPOINT: `${hub.endpoint}/`,
    ...environment,
  });
  const [waits, reports]: [number[], string[]] = [[], []];
  // Nobody cuts the power here, and a busy disk takes its time to flush.
  const openPart: PullOptions["openPart"] = async (path) =>
    Object.assign(await open(path, existsSync(path) ? "r+" : "w+"), { sync: () => Promise.resolve() });
  const wait = (milliseconds: number): Promise<void> => {
    waits.push(milliseconds);
    return Promise.resolve();
  };
  return {
    hub,
    cache,
    waits,
    reports,
    repository: join(cache, "models--owner--name"),
    pull: (revision = "main", options = {}, name = "owner/name") =>
      pullModel(name, revision, {
        settings,
        wait,
        openPart,
        report: (line) => reports.push(line),
        ...options,
      }),
  };
}

export function expectWhole(folder: string): void {
  expect(readdirSync(folder).sort()).toEqual(WANTED);
  for (const name of WANTED)
    expect(readFileSync(join(folder, name)).equals(FILES[name] as Buffer), name).toBe(true);
}
