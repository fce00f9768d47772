/** What a repository of the hub holds, and which of it a model needs. */
import { z } from "zod";

import { IBertError } from "../errors.js";
import type { HubAccess } from "./access.js";

/** A file of a repository at one commit. */
export interface HubFile {
  /** Its name; only files at the top are listed. */
  readonly path: string;
  readonly size: number;
  /** What its bytes are checked with, and what its blob is called in the cache: SHA-256 of a large file, git's SHA-1 of a small one. */
  readonly hash: string;
}

export interface HubListing {
  /** 40 hexadecimal digits. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

const Revision = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const Entry = z.union([
  z.looseObject({
    type: z.literal("file"),
    path: z.string(),
    size: z.int().nonnegative(),
    oid: z.string().regex(/^[0-9a-f]{40}$/),
    lfs: z.looseObject({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().nonnegative() }).nullish(),
  }),
  z.looseObject({ type: z.string().refine((type) => type !== "file") }),
]);

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new IBertError(
    "download-failed",
    `${what}: the answer is not the hub's (${issue?.path.join(".") || "the top"}: ${issue?.message})`,
    { hint: "Check HF_ENDPOINT and the proxy between here and the hub." },
  );
}

/**
 * The files at the top of a repository.
 * @param revision a branch, tag or commit
 * @throws IBertError `download-failed`, `hub-refused`.
 */
export async function listRepository(access: HubAccess, revision: string): Promise<HubListing> {
  const what = `${access.repository} (revision ${revision})`;
  const api = `api/models/${access.repository}`;
  const answer = await access.json(`${api}/revision/${encodeURIComponent(revision)}`, what);
  const { sha: commit } = parse(Revision, answer.value, what);
  const files: HubFile[] = [];
  let page: string | undefined = `${api}/tree/${commit}`;
  while (page !== undefined) {
    const { value, headers } = await access.json(page, what);
    for (const entry of parse(z.array(Entry), value, what)) {
      if (entry.type !== "file") continue;
      const { path, size, oid, lfs } = entry as z.infer<(typeof Entry)["options"][0]>;
      files.push({ path, size: lfs?.size ?? size, hash: lfs?.oid ?? oid });
    }
    page = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get("link") ?? "")?.[1];
  }
  return { commit, files };
}

const SMALL =
  /^((config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|tekken|params)\.json|chat_template\.(jinja|json))$/;
const HUGGING_FACE = /^model(-\d+-of-\d+)?\.safetensors$/;
const MISTRAL = /^consolidated(-\d+-of-\d+)?\.safetensors$/;

/** The files that a model needs. */
export interface ModelFiles {
  /** Configuration and tokenizer. */
  readonly small: readonly HubFile[];
  readonly weights: readonly HubFile[];
}

/**
 * Chooses configuration, tokenizer and weights. Where the weights lie in both layouts, Hugging Face's shards are taken, not
 * Mistral's `consolidated` files, which hold the same once more; other formats of them are left where they are.
 * @throws IBertError `weights-missing` saying what is there instead, `tokenizer-missing`.
 */
export function chooseFiles(files: readonly HubFile[], repository: string): ModelFiles {
  const named = (pattern: RegExp): HubFile[] => files.filter(({ path }) => pattern.test(path));
  const has = (name: string): boolean => files.some(({ path }) => path === name);
  const small = named(SMALL);
  const requireTokenizer = (): void => {
    if (has("tokenizer.json") || has("tekken.json")) return;
    throw new IBertError(
      "tokenizer-missing",
      `${repository}: the repository has neither tokenizer.json nor tekken.json`,
      { hint: "Name a repository that has one; other kinds of tokenizers are not read." },
    );
  };
  if (has("config.json") && named(HUGGING_FACE).length > 0) {
    requireTokenizer();
    // One file counts before shards and their index, as it does when the folder is read.
    const whole = named(/^model\.safetensors$/);
    if (whole.length > 0) return { small, weights: whole };
    return { small: [...small, ...named(/^model\.safetensors\.index\.json$/)], weights: named(HUGGING_FACE) };
  }
  if (has("params.json") && named(MISTRAL).length > 0) {
    requireTokenizer();
    const whole = named(/^consolidated\.safetensors$/);
    if (whole.length > 0) return { small, weights: whole };
    return {
      small: [...small, ...named(/^consolidated\.safetensors\.index\.json$/)],
      weights: named(MISTRAL),
    };
  }
  const gguf = named(/\.gguf$/);
  const hint =
    gguf.length > 0
      ? `It holds GGUF files (${gguf
          .map(({ path }) => path)
          .slice(0, 4)
          .join(", ")}${gguf.length > 4 ? ", …" : ""}): fetch one, and name that file as the base.`
      : "Name a repository with config.json and model*.safetensors, or with params.json and consolidated*.safetensors.";
  throw new IBertError("weights-missing", `${repository}: the repository holds no safetensors of a model`, {
    hint,
  });
}
