/** What callers of `IBertModel` give and get, and the checks of what they give. */
import { z } from "zod";

import type { TaskType } from "./data/tasks.js";
import type { Schema, SqlJudge, Verdict } from "./dsl/dsl.js";
import { IBertError } from "./errors.js";

/** What `IBertModel.load` takes. Unknown keys are refused. */
export interface IBertConfig {
  /** A preset (`ibert doctor` lists them), `hf:owner/name[@revision]`, a folder, or a .gguf file. Default `smollm2-135m`. */
  base?: string | undefined;
  /** A PEFT folder, which answers where a request names no other; without it the base model does. */
  adapter?: string | undefined;
  /** More PEFT folders by name; a request names the one that answers. They share the base. */
  adapters?: Record<string, string> | undefined;
  /** Rank that `adapter` must have; another one is an error. */
  loraRank?: number | undefined;
  /** Repairs answers that the compiler refuses, with its error (default true). */
  useCompilerFeedback?: boolean | undefined;
  /** Rounds of repair (default 2). */
  maxRepairs?: number | undefined;
  /** `auto`, `cpu`, `cuda`, `metal`, `reference`, or a library's path. One that is named is never replaced by another. */
  backend?: string | undefined;
  /** CPU threads; 0, the default, for one a core. */
  threads?: number | undefined;
  /** Tokens of prompt and answer together that fit (default 2048, at most what the model takes). */
  maxContext?: number | undefined;
  /**
   * Requests that are answered at the same time (default 8, at most 256). Up to 16 do not feel each other; with more, the
   * last bits of a score may.
   */
  maxSequences?: number | undefined;
  /** Room of the key/value cache in tokens, for all requests and for prompts kept (default 2 × maxContext). */
  cacheTokens?: number | undefined;
  /** Storage of keys and values: `bf16`, the default, or `q8_0`, which takes about half the memory and rounds. */
  kvCache?: "bf16" | "q8_0" | undefined;
  /** Prompts that begin alike share what was computed of them (default true). */
  promptCache?: boolean | undefined;
  /** Tokens guessed ahead from the text so far (default 7, at most 15): the answer is the same, often sooner. 0: none. */
  draftTokens?: number | undefined;
}

export const IBertSettings = z.strictObject({
  base: z.string().min(1).default("smollm2-135m"),
  adapter: z.string().min(1).optional(),
  adapters: z.record(z.string().min(1), z.string().min(1)).default({}),
  loraRank: z.int().positive().optional(),
  useCompilerFeedback: z.boolean().default(true),
  maxRepairs: z.int().nonnegative().default(2),
  backend: z.string().default("auto"),
  threads: z.int().nonnegative().default(0),
  maxContext: z.int().positive().default(2048),
  maxSequences: z.int().positive().max(256).default(8),
  cacheTokens: z.int().positive().optional(),
  kvCache: z.enum(["bf16", "q8_0"]).default("bf16"),
  promptCache: z.boolean().default(true),
  draftTokens: z.int().min(0).max(15).default(7),
}) satisfies z.ZodType<unknown, IBertConfig>;
/** `IBertConfig` with its defaults. */
export type IBertSettings = z.output<typeof IBertSettings>;

/** One question to the model. Unknown keys are refused. */
export interface GenerateRequest {
  /** The SQL, program, beginning of a program, question or signature that the task is about. */
  prompt: string;
  taskType: TaskType;
  /** One of `IBertConfig.adapters`, or "base" for none; default `IBertConfig.adapter`. */
  adapter?: string | undefined;
  /** Tables that the answer may name. The compiler judges the answer by them; without them it infers a schema. */
  schema?: Schema | undefined;
  /** Where a program is to be mended: the exception, as `Type: message`, if it is not the last line of the prompt. */
  error?: string | undefined;
  /** Let the compiler judge the answer (default true); without that there is no verdict and no repair. */
  validateWithCompiler?: boolean | undefined;
  /** SQL dialect of the prompt or the answer (default `duckdb`). */
  dialect?: string | undefined;
  /** Where a function is to be documented: the style of its docstring, `google` (the default) or `numpy`. */
  style?: string | undefined;
  /** Length of an answer in tokens (default 160). */
  maxTokens?: number | undefined;
  /** 0, the default, takes the likeliest token each time. */
  temperature?: number | undefined;
  /** Draws from the likeliest tokens that together have this probability (default 1: from all). */
  topP?: number | undefined;
  /** Draws from so many of the likeliest tokens (default 0: from all). */
  topK?: number | undefined;
  /** Of the random numbers that tokens are drawn by (default 0). */
  seed?: number | undefined;
  /**
   * Number of the stream of random numbers under `seed` (default 0). The same request in streams 0 … n - 1 gives n
   * independent samples, each the same every time it is asked for.
   */
  stream?: number | undefined;
  /** Ends the request; its promise is then rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called with the answer so far as it grows; not during repairs. */
  onText?: (text: string) => void;
}

export const GenerateSettings = z.strictObject({
  prompt: z.string(),
  // `parseTaskType` names the tasks that there are.
  taskType: z.string(),
  adapter: z.string().optional(),
  schema: z.record(z.string(), z.record(z.string(), z.string())).optional(),
  error: z.string().optional(),
  validateWithCompiler: z.boolean().default(true),
  dialect: z.string().optional(),
  style: z.string().optional(),
  maxTokens: z.int().positive().default(160),
  temperature: z.number().nonnegative().default(0),
  topP: z.number().positive().max(1).default(1),
  topK: z.int().nonnegative().default(0),
  seed: z.int().default(0),
  stream: z.int().nonnegative().default(0),
}) satisfies z.ZodType<
  unknown,
  Omit<GenerateRequest, "taskType" | "signal" | "onText"> & { taskType: string }
>;
/** A request with its defaults. */
export type GenerateSettings = z.output<typeof GenerateSettings>;

/** What the compiler said of an answer; of SQL also who judged it. */
export type AnswerVerdict = Omit<Verdict, "milliseconds"> & { judge?: SqlJudge };

/** The answer to one request. */
export interface GenerateResult {
  /** The answer; where the task completes a program, what follows the prompt. */
  text: string;
  /** Absent when no check was asked for, or the answer holds no code. */
  verdict?: AnswerVerdict;
  /** Answers generated: 1, and one for each repair. The best of them is `text`, the earlier of equals. */
  attempts: number;
  /** Tokens read and written over all attempts. */
  tokens: { prompt: number; completion: number };
}

/** @throws IBertError `argument-invalid` with each key that is at fault */
export function parseOptions<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw new IBertError("argument-invalid", `${what}: ${problems.join("; ")}`);
}
