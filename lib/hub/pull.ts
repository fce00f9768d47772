/** `ibert model pull`: a model of the hub into the shared cache. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";

import { IBertError } from "../errors.js";
import { describeSystemError } from "../formats/system-error.js";
import { HubAccess, type AccessOptions } from "./access.js";
import { fetchBlob, type BlobOptions } from "./blob.js";
import { CachedRepository, isCommit, lackOf, type Links } from "./cache.js";
import { chooseFiles, listRepository, type HubFile } from "./listing.js";
import { withLock } from "./lock.js";
import { hubSettings, type HubSettings } from "./settings.js";

/** How far a pull is. Bytes that were here already count as done. */
/** How far a pull has come. */
export interface PullProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly doneFiles: number;
  readonly files: number;
}

/** How a model is fetched from the hub. */
export interface PullOptions extends AccessOptions, Pick<BlobOptions, "openPart"> {
  /**
   * The environment's by default.
   * @internal
   */
  settings?: HubSettings;
  /** Files that are fetched at a time; 4 by default. */
  connections?: number;
  onProgress?: (progress: PullProgress) => void;
  /** Told what a user may want to know, a line each. */
  report?: (message: string) => void;
  /** Looks at the snapshot while it has configuration and tokenizer, before any weight is fetched; may throw. */
  check?: (snapshot: string) => void;
  /**
   * Free bytes of the disk that holds a folder.
   * @internal
   */
  freeBytes?: (folder: string) => Promise<number>;
  /** @internal */
  links?: Links;
}

/** A model in the cache. */
export interface PulledModel {
  /** The snapshot: configuration, tokenizer and weights. */
  readonly folder: string;
  readonly commit: string;
  /** Bytes of its files, and of those the bytes that this pull fetched. */
  readonly totalBytes: number;
  readonly fetchedBytes: number;
}

/**
 * Fetches what a model needs, checked by its hashes, into the cache of Hugging Face's programs. What is there is not fetched
 * again, and what was interrupted goes on where it was. Two pulls at a time share the work.
 * @param repository `owner/name`
 * @param revision a branch, tag or commit; of a branch, the newest commit
 * @throws IBertError `download-failed`, `hub-refused`, `hash-mismatch`, `weights-missing`, `tokenizer-missing`, `disk-full`, `write-failed`.
 */
export async function pullModel(
  repository: string,
  revision: string,
  options: PullOptions = {},
): Promise<PulledModel> {
  const { settings = hubSettings(), report = () => undefined } = options;
  const cached = new CachedRepository(settings.cache, repository);
  const known = cached.commitOf(revision);
  const isWhole = known !== undefined && lackOf(cached.snapshot(known)) === undefined;
  if (isWhole && (settings.offline || isCommit(revision))) {
    return {
      folder: cached.snapshot(known),
      commit: known,
      totalBytes: bytesOf(cached.snapshot(known)),
      fetchedBytes: 0,
    };
  }
  if (settings.offline) {
    throw new IBertError(
      "download-failed",
      `${repository} (revision ${revision}) is not here, and HF_HUB_OFFLINE is set`,
      {
        hint: `It would be in ${settings.cache}. Unset HF_HUB_OFFLINE, or copy the cache of a machine that has it.`,
      },
    );
  }
  const access = new HubAccess(settings, repository, { onRetry: report, ...options });
  try {
    const { commit, files } = await listRepository(access, revision);
    const chosen = chooseFiles(files, repository);
    const work = new Pull(access, cached, commit, [...chosen.small, ...chosen.weights], options);
    await work.requireRoom();
    await work.fetch(chosen.small);
    options.check?.(cached.snapshot(commit));
    await work.fetch(chosen.weights);
    const lack = lackOf(cached.snapshot(commit));
    if (lack !== undefined) {
      throw new IBertError("weights-missing", `${repository}: the repository itself has no ${lack}`, {
        hint: "Its weights are not whole at this revision; name another one, or another repository.",
      });
    }
    await cached.setReference(revision, commit);
    return {
      folder: cached.snapshot(commit),
      commit,
      totalBytes: work.totalBytes,
      fetchedBytes: work.fetchedBytes,
    };
  } catch (error) {
    throw describeSystemError(error, "write", cached.folder);
  }
}

const bytesOf = (snapshot: string): number =>
  readdirSync(snapshot).reduce((sum, name) => sum + statSync(join(snapshot, name)).size, 0);

class Pull {
  readonly totalBytes: number;
  fetchedBytes = 0;
  #doneBytes = 0;
  #doneFiles = 0;

  constructor(
    private readonly access: HubAccess,
    private readonly cached: CachedRepository,
    private readonly commit: string,
    private readonly files: readonly HubFile[],
    private readonly options: PullOptions,
  ) {
    this.totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  }

  /** Refuses before the first byte what the disk has no room for. */
  async requireRoom(): Promise<void> {
    let needed = 0;
    for (const file of this.files) {
      const blob = this.cached.blob(file.hash);
      if (existsSync(blob)) continue;
      const part = await stat(`${blob}.ibert-part`).catch(() => undefined);
      needed += Math.max(0, file.size - (part?.size ?? 0));
    }
    let folder = this.cached.folder;
    while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
    const free = await (this.options.freeBytes ?? freeBytes)(folder);
    if (needed <= free) return;
    const size = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new IBertError(
      "disk-full",
      `${this.access.repository}: ${size(needed)} are to be fetched, and ${folder} has ${size(free)} free`,
      { hint: "Free some space, or set HF_HUB_CACHE to a folder on another disk. Nothing was fetched." },
    );
  }

  /** Fetches several files at a time; the first failure ends those that have not begun. */
  async fetch(files: readonly HubFile[]): Promise<void> {
    // Files of one content share a blob.
    const byHash = new Map<string, HubFile[]>();
    for (const file of files) byHash.set(file.hash, [...(byHash.get(file.hash) ?? []), file]);
    const queue = [...byHash.values()];
    let failed = false;
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && !failed; next = queue.shift()) {
        try {
          for (const file of next) await this.#fetchFile(file);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    const results = await Promise.allSettled(Array.from({ length: this.options.connections ?? 4 }, worker));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #fetchFile(file: HubFile): Promise<void> {
    const { cached, commit, access, options } = this;
    const blob = cached.blob(file.hash);
    let wasHere = true;
    if (!(await isThere(blob, file.size))) {
      await withLock(
        join(cached.locks, `${file.hash}.ibert`),
        async () => {
          // Another pull may have brought it.
          if (await isThere(blob, file.size)) return;
          wasHere = false;
          const address = `${access.repository}/resolve/${commit}/${encodeURIComponent(file.path)}`;
          await fetchBlob(access, address, file, blob, {
            ...(options.openPart === undefined ? {} : { openPart: options.openPart }),
            onBytes: (bytes) => this.#advance(bytes),
          });
          this.fetchedBytes += file.size;
        },
        () => options.report?.(`waiting for another pull of ${access.repository}/${file.path}`),
      );
    }
    await cached.place(commit, file.path, file.hash, options.links);
    this.#doneFiles++;
    this.#advance(wasHere ? file.size : 0);
  }

  #advance(bytes: number): void {
    this.#doneBytes += bytes;
    this.options.onProgress?.({
      doneBytes: this.#doneBytes,
      totalBytes: this.totalBytes,
      doneFiles: this.#doneFiles,
      files: this.files.length,
    });
  }
}

/** Whether a blob is here. One of another size was changed after it came, and goes. */
async function isThere(blob: string, size: number): Promise<boolean> {
  const found = await stat(blob).catch(() => undefined);
  if (found === undefined || found.size === size) return found !== undefined;
  await rm(blob, { force: true });
  return false;
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
