import { z } from "zod";

import { cutAtStop, parseTaskType, type TaskFormat, type TaskType } from "./data/tasks.js";
import type { Dsl, PromptRequest } from "./dsl/definition.js";
import type { DslEngine, Schema, SqlVerdict, Verdict } from "./dsl/dsl.js";
import { DEFAULT_DSL, dslByName } from "./dsl/registry.js";
import { IBertError } from "./errors.js";
import { promptIds, stopWatcher } from "./evaluation/evaluate.js";
import { loadAdapter } from "./models/adapter-file.js";
import { generate } from "./models/generate.js";
import type { InferenceEngine } from "./models/inference.js";
import type { LoraAdapter } from "./models/lora.js";
import { ModelSession } from "./models/session.js";

/** What `IBertModel.load` takes. */
export const IBertConfig = z.strictObject({
  base: z
    .string()
    .min(1)
    .default("smollm2-135m")
    .describe("A preset, hf:owner/name, a folder, or a .gguf file."),
  adapter: z.string().min(1).optional().describe("A PEFT folder; without it the base model answers."),
  loraRank: z.int().positive().optional().describe("Rank that the adapter must have."),
  useCompilerFeedback: z
    .boolean()
    .default(true)
    .describe("Repair answers that the compiler refuses, with its error, for maxRepairs rounds."),
  maxRepairs: z.int().nonnegative().default(2),
  backend: z.string().default("auto").describe("auto, cpu, cuda, metal, reference, or a library's path."),
  threads: z.int().nonnegative().default(0).describe("CPU threads; 0 for one a core."),
  maxContext: z.int().positive().default(2048).describe("Tokens of prompt and answer together that fit."),
});
export type IBertConfig = z.input<typeof IBertConfig>;

const GenerateRequest = z.strictObject({
  prompt: z.string(),
  taskType: z.string(),
  schema: z.record(z.string(), z.record(z.string(), z.string())).optional(),
  error: z.string().optional(),
  validateWithCompiler: z.boolean().default(true),
  dialect: z.string().optional(),
  maxTokens: z.int().positive().default(160),
  temperature: z.number().nonnegative().default(0),
  topP: z.number().positive().max(1).default(1),
  topK: z.int().nonnegative().default(0),
  seed: z.int().default(0),
});

/** One question to the model. */
export interface GenerateRequest extends Omit<z.input<typeof GenerateRequest>, "taskType"> {
  taskType: TaskType;
  signal?: AbortSignal;
  /** Called with the answer so far as it grows; not during repairs. */
  onText?: (text: string) => void;
}

/** What the compiler said of an answer. */
export type AnswerVerdict = Omit<Verdict, "milliseconds">;

export interface GenerateResult {
  /** The answer; for `code_completion` what follows the prompt. */
  text: string;
  /** Absent when no check was asked for, or the answer holds no code. */
  verdict?: AnswerVerdict;
  /** Answers generated: 1, and one for each repair. */
  attempts: number;
  /** Tokens read and written over all attempts. */
  tokens: { prompt: number; completion: number };
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw new IBertError("argument-invalid", `${what}: ${problems.join("; ")}`);
}

/** A base model, its adapter and the DSL's compiler, ready to answer. */
export class IBertModel {
  private engine: DslEngine | undefined;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly config: z.output<typeof IBertConfig>,
    private readonly session: ModelSession,
    private readonly adapter: LoraAdapter | undefined,
    private readonly inference: InferenceEngine,
    private readonly dsl: Dsl,
    private readonly format: TaskFormat,
  ) {}

  /**
   * Loads a model; a preset that is not on this machine is fetched first.
   * @throws IBertError when configuration, files or backend are at fault
   */
  static async load(config: IBertConfig = {}): Promise<IBertModel> {
    const settings = parse(IBertConfig, config, "IBertModel.load");
    const { base, backend, threads } = settings;
    const session = await ModelSession.open({ base, backend, threads });
    const loaded =
      settings.adapter === undefined
        ? undefined
        : await loadAdapter(session.device, session.config, settings.adapter);
    if (loaded !== undefined && settings.loraRank !== undefined && loaded.config.rank !== settings.loraRank) {
      throw new IBertError(
        "lora-rank",
        `the adapter ${settings.adapter} has rank ${loaded.config.rank}, not ${settings.loraRank}`,
        { hint: "Leave loraRank out, or name the adapter that was trained with it." },
      );
    }
    const dsl = dslByName(loaded?.sidecar?.dsl.name.replace(/-framework$/, "") ?? DEFAULT_DSL);
    const context = Math.min(settings.maxContext, session.config.contextLength);
    const inference = session.inference(loaded?.adapter, {
      activations: "bf16",
      maxRows: 512,
      maxSequences: 1,
      maxPositions: context,
    });
    const format = dsl.format(loaded?.sidecar?.prompts);
    return new IBertModel(settings, session, loaded?.adapter, inference, dsl, format);
  }

  /** Backend, device and instruction set that answer. */
  get device() {
    return this.session.device.info;
  }

  /**
   * Answers one request. With `useCompilerFeedback`, an answer that the compiler refuses is given back to the model with
   * the real error, and the best answer is returned.
   */
  async generate(request: GenerateRequest): Promise<GenerateResult> {
    const { signal, onText, ...plain } = request;
    const settings = parse(GenerateRequest, plain, "generate");
    const task = parseTaskType(settings.taskType, "generate");
    // One batch runs at a time; requests wait for their turn.
    const turn = this.turn.then(() => this.answer(task, settings, { signal, onText }));
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  /** Frees the model's memory and ends the compiler's process. */
  async dispose(): Promise<void> {
    await this.turn;
    await this.engine?.close();
    this.inference.dispose();
    this.adapter?.free();
    this.session.dispose();
  }

  private async answer(
    task: TaskType,
    settings: z.output<typeof GenerateRequest>,
    live: { signal: AbortSignal | undefined; onText: ((text: string) => void) | undefined },
  ): Promise<GenerateResult> {
    const request: PromptRequest = { prompt: settings.prompt };
    if (settings.schema !== undefined) request.schema = settings.schema;
    if (settings.error !== undefined) request.error = settings.error;
    const fields = this.dsl.promptFields(task, request);
    const tokens = { prompt: 0, completion: 0 };
    const ask = async (
      kind: TaskType,
      asked: typeof fields,
      onText?: (text: string) => void,
    ): Promise<string> => {
      const prompt = promptIds(this.session.tokenizer, this.format.prompt(kind, asked));
      const { text, count } = await this.complete(
        prompt,
        this.format.stop(kind),
        settings,
        live.signal,
        onText,
      );
      tokens.prompt += prompt.length;
      tokens.completion += count;
      return text;
    };

    let text = await ask(task, fields, live.onText);
    let attempts = 1;
    if (!settings.validateWithCompiler) return { text, attempts, tokens };
    let verdict = await this.check(task, fields, text, settings);
    const repairs = this.config.useCompilerFeedback ? this.config.maxRepairs : 0;
    while (verdict?.error !== undefined && !verdict.ok && attempts <= repairs) {
      const broken = this.format.assemble(task, fields, text);
      if (broken?.language !== "dsl" || broken.text === "") break;
      attempts++;
      const error = `${verdict.error.type}: ${verdict.error.message}`;
      const fixed = await ask(
        "error_resolution",
        this.dsl.promptFields("error_resolution", { ...request, prompt: broken.text, error }),
      );
      const repaired = this.asAnswer(task, fields.input, fixed);
      if (repaired === undefined || repaired === text) break;
      const second = await this.check(task, fields, repaired, settings);
      if (second === undefined) break;
      text = repaired;
      verdict = second;
    }
    return { text, ...(verdict === undefined ? {} : { verdict }), attempts, tokens };
  }

  /** A repaired program as an answer: a completion must go on from its prompt. */
  private asAnswer(task: TaskType, input: string, program: string): string | undefined {
    if (task !== "code_completion") return program;
    return program.startsWith(input) ? program.slice(input.length) : undefined;
  }

  private async complete(
    prompt: number[],
    stops: readonly string[],
    settings: z.output<typeof GenerateRequest>,
    signal: AbortSignal | undefined,
    onText: ((text: string) => void) | undefined,
  ): Promise<{ text: string; count: number }> {
    const { tokenizer } = this.session;
    const stopped = stopWatcher(tokenizer, stops);
    const [completion] = await generate(this.inference, [prompt], {
      maxTokens: settings.maxTokens,
      temperature: settings.temperature,
      topP: settings.topP,
      topK: settings.topK,
      seed: settings.seed,
      stopIds: [tokenizer.eosId],
      signal,
      onToken: (_, __, ids) => {
        const end = stopped(ids);
        if (onText !== undefined) onText(cutAtStop(tokenizer.decode(ids), stops));
        return end;
      },
    });
    const ids = completion?.ids ?? [];
    return { text: cutAtStop(tokenizer.decode(ids), stops), count: ids.length };
  }

  private async check(
    task: TaskType,
    fields: { input: string; schema?: Schema },
    text: string,
    settings: z.output<typeof GenerateRequest>,
  ): Promise<AnswerVerdict | undefined> {
    const code = this.format.assemble(task, fields, text);
    if (code === undefined) return undefined;
    this.engine ??= this.dsl.createEngine();
    const options = {
      ...(settings.schema === undefined ? {} : { schema: settings.schema }),
      ...(settings.dialect === undefined ? {} : { dialect: settings.dialect }),
    };
    if (code.language === "sql") return sqlVerdict(await this.engine.checkSql(code.text, options));
    const { milliseconds: _, ...verdict } = await this.engine.check(code.text, options);
    return verdict;
  }
}

/** SQL stands on the same ladder: it parses, or its names resolve too. */
function sqlVerdict({ ok, error, canonical }: SqlVerdict): AnswerVerdict {
  const verdict: AnswerVerdict = { ok, stage: ok ? "compile" : canonical === undefined ? "parse" : "names" };
  if (error !== undefined) verdict.error = error;
  if (ok && canonical !== undefined) verdict.sql = canonical;
  return verdict;
}
