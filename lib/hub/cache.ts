/**
 * The cache that programs of Hugging Face share: `models--owner--name/` with `blobs/<hash>`, `snapshots/<commit>/<file>`
 * (links to blobs) and `refs/<revision>` (a commit).
 * Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, link, mkdir, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";

import { z } from "zod";

import { writeFileAtomic } from "../formats/atomic.js";
import { readJson } from "../formats/json.js";
import { systemCode } from "../formats/system-error.js";

const COMMIT = /^[0-9a-f]{40}$/;

export const isCommit = (revision: string): boolean => COMMIT.test(revision);

/** One repository's place in the cache. */
export class CachedRepository {
  readonly folder: string;
  /** Where locks lie; `huggingface_hub` has its own there, of other names. */
  readonly locks: string;

  constructor(cache: string, repository: string) {
    const name = `models--${repository.replaceAll("/", "--")}`;
    this.folder = join(cache, name);
    this.locks = join(cache, ".locks", name);
  }

  blob(hash: string): string {
    return join(this.folder, "blobs", hash);
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  #reference(revision: string): string {
    // A branch may have slashes, but leads nowhere else.
    return join(
      this.folder,
      "refs",
      ...revision.split("/").filter((part) => part !== "" && part !== "." && part !== ".."),
    );
  }

  /** The commit that a revision was at when it was fetched last. */
  commitOf(revision: string): string | undefined {
    if (isCommit(revision)) return revision;
    try {
      const commit = readFileSync(this.#reference(revision), "utf8").trim();
      return isCommit(commit) ? commit : undefined;
    } catch {
      return undefined; // Never fetched.
    }
  }

  async setReference(revision: string, commit: string): Promise<void> {
    if (!isCommit(revision)) await writeFileAtomic(this.#reference(revision), commit);
  }

  /** Makes a file of a snapshot stand for a blob: by a symbolic link, where there are none by a hard one, else as a copy. */
  async place(commit: string, file: string, hash: string, links: Links = NODE_LINKS): Promise<void> {
    const target = join(this.snapshot(commit), file);
    // A link that leads nowhere does not exist, and goes.
    if (existsSync(target)) return;
    await mkdir(dirname(target), { recursive: true });
    const beside = `${target}.${process.pid}.new`;
    const blob = this.blob(hash);
    await rm(beside, { force: true });
    for (const make of [
      () => links.symlink(relative(dirname(target), blob), beside),
      () => links.link(blob, beside),
      () => copyFile(blob, beside),
    ]) {
      try {
        await make();
        break;
      } catch (error) {
        if (!UNABLE.has(systemCode(error) ?? "")) throw error;
      }
    }
    await rename(beside, target);
  }
}

/** How files are linked; a test gives a system that cannot. */
export interface Links {
  symlink(target: string, path: string): Promise<void>;
  link(existing: string, path: string): Promise<void>;
}

const NODE_LINKS: Links = { symlink, link };
/** What systems say that have no such links, or not for this user. */
const UNABLE = new Set([
  "EPERM",
  "EACCES",
  "ENOSYS",
  "ENOTSUP",
  "EOPNOTSUPP",
  "EINVAL",
  "EMLINK",
  "EXDEV",
  "UNKNOWN",
]);

const Index = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/**
 * What a snapshot lacks of a model; undefined where it is whole. Other programs leave snapshots that hold a few files.
 */
export function lackOf(snapshot: string): string | undefined {
  const names = existsSync(snapshot) ? readdirSync(snapshot) : [];
  const has = (name: string): boolean => existsSync(join(snapshot, name));
  const matching = (pattern: RegExp): string[] => names.filter((name) => pattern.test(name));
  // Where both layouts are described, the weights that are there tell which was fetched.
  const isHuggingFace =
    has("config.json") && (!has("params.json") || names.some((name) => /^model\b.*\.safetensors/.test(name)));
  const stem = isHuggingFace ? "model" : has("params.json") ? "consolidated" : undefined;
  if (stem === undefined) return "config.json";
  if (!has("tokenizer.json") && !has("tekken.json")) return "tokenizer.json";
  if (has(`${stem}.safetensors`)) return undefined;
  const index = join(snapshot, `${stem}.safetensors.index.json`);
  if (existsSync(index)) {
    const { data } = Index.safeParse(readJson(index));
    return [...new Set(Object.values(data?.weight_map ?? {}))].find((shard) => !has(basename(shard)));
  }
  const [shard] = matching(new RegExp(`^${stem}-\\d+-of-\\d+\\.safetensors$`));
  if (shard === undefined) return `${stem}.safetensors`;
  const [, digits = "", count = ""] = /-(\d+)-of-(\d+)\.safetensors$/.exec(shard) ?? [];
  return Array.from(
    { length: Number(count) },
    (_, i) => `${stem}-${String(i + 1).padStart(digits.length, "0")}-of-${count}.safetensors`,
  ).find((name) => !has(name));
}
