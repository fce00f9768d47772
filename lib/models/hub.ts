import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ReadableStream } from "node:stream/web";

import { downloadFile, HubApiError, listFiles, modelInfo } from "@huggingface/hub";

import { IBertError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic.js";

export interface HubOptions {
  report?: (message: string) => void;
  /** Replaces the global `fetch`, e.g. for a proxy. */
  fetch?: typeof fetch;
}

/** What is fetched of a model repository; other exports of the same weights are left where they are. */
const WANTED =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|tekken)\.json$|^chat_template\.jinja$|^model(-\d+-of-\d+)?\.safetensors$|^model\.safetensors\.index\.json$/;

/**
 * Fetches a model of the Hugging Face hub into `folder` and returns the model's folder. A revision that was fetched
 * whole before is used as it is, with no request; an interrupted one continues with the files that are missing. A
 * private or gated model needs `HF_TOKEN` in the environment.
 * @param repository `owner/name`
 * @param revision a branch, tag or commit
 * @throws IBertError `download-failed`, `disk-full`.
 */
export async function fetchHubModel(
  repository: string,
  revision: string,
  folder: string,
  { report = () => undefined, fetch }: HubOptions = {},
): Promise<string> {
  const home = join(folder, repository.replace("/", "--"));
  const reference = join(home, "refs", encodeURIComponent(revision));
  if (existsSync(reference)) return join(home, readFileSync(reference, "utf8"));
  const token = process.env.HF_TOKEN;
  const access = {
    ...(token === undefined || token === "" ? {} : { accessToken: token }),
    ...(fetch === undefined ? {} : { fetch }),
  };
  try {
    const info = await modelInfo({ name: repository, revision, additionalFields: ["sha"], ...access });
    const commit = info.sha;
    const target = join(home, commit);
    for await (const { type, path, size } of listFiles({ repo: repository, revision: commit, ...access })) {
      if (type !== "file" || !WANTED.test(path)) continue;
      const file = join(target, path);
      if (existsSync(file) && statSync(file).size === size) continue;
      report(`fetching ${repository}/${path} (${(size / 1e6).toFixed(1)} MB)`);
      const blob = await downloadFile({ repo: repository, path, revision: commit, ...access });
      if (blob === null) throw new Error(`${path} is listed but not there`);
      if (blob.size !== size) throw new Error(`${path} has ${blob.size} bytes instead of ${size}`);
      await writeFileAtomic(file, blob.stream() as ReadableStream<Uint8Array>);
    }
    await writeFileAtomic(reference, commit);
    return target;
  } catch (error) {
    if (error instanceof IBertError) throw error;
    throw new IBertError(
      "download-failed",
      `${repository} (revision ${revision}) could not be fetched from the hub: ${message(error)}`,
      { hint: downloadHint(error), cause: error },
    );
  }
}

function message(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function downloadHint(error: unknown): string {
  const status = error instanceof HubApiError ? error.statusCode : undefined;
  if (status === 401 || status === 403) {
    return "Accept the model's terms on its page and set HF_TOKEN to a token that may read it.";
  }
  if (status === 404) return "Check the name and the revision; a private model needs HF_TOKEN.";
  return "Check the network and run this again: what is complete is kept. A local folder or .gguf file also serves.";
}
