import { continuesPrompt, parseTaskType, type TaskFormat, type TaskType } from "./data/tasks.js";
import type { Dsl, PromptRequest } from "./dsl/definition.js";
import type { DslEngine, Schema, SqlVerdict } from "./dsl/dsl.js";
import { DEFAULT_DSL } from "./dsl/declared.js";
import { dslOfPackage } from "./dsl/registry.js";
import { IBertError } from "./errors.js";
import { promptIds } from "./evaluation/answers.js";
import { untilAborted } from "./generation/abort-listeners.js";
import { AnswerText } from "./generation/answer-text.js";
import { Batcher } from "./generation/batcher.js";
import { InferenceEngine } from "./generation/engine.js";
import { LoraBank } from "./generation/lora-bank.js";
import {
  GenerateSettings,
  IBertSettings,
  parseOptions,
  type AnswerVerdict,
  type GenerateRequest,
  type GenerateResult,
  type IBertConfig,
} from "./ibert-options.js";
import { readAdapter, type StoredAdapter } from "./models/adapter-file.js";
import { ModelSession } from "./models/session.js";
import { compareVerdicts } from "./validation/verdict.js";

/** One adapter (or none), and how it wants to be asked. */
interface Voice {
  /** Its number in the engine, -1 for the base model. */
  adapter: number;
  dsl: Dsl;
  format: TaskFormat;
}

/** In which a model answers, its adapters with it. */
const ACTIVATIONS = "bf16";

/** Names the base model among the adapters. */
const BASE = "base";

/** Stands for `IBertConfig.adapter` among them; no request can name it. */
const MAIN = "";

/**
 * A base model, its adapters and the DSL's compiler, ready to answer. It holds memory, threads and, once an answer was
 * checked, a compiler's process, until it is disposed of: `await using model = await IBertModel.load(…)`, or `dispose`.
 * @example
 * ```ts
 * import { IBertModel } from "ibert";
 *
 * await using model = await IBertModel.load({ base: "smollm2-135m", adapter: "adapters/quickstart" });
 * const { text, verdict } = await model.generate({
 *   prompt: "SELECT region, SUM(amount) AS total FROM orders GROUP BY region",
 *   taskType: "sql_to_ibis",
 *   schema: { orders: { region: "string", amount: "float64" } },
 * });
 * console.log(text, verdict?.ok === true ? verdict.sql : verdict?.error?.message);
 * ```
 */
export class IBertModel implements AsyncDisposable {
  private readonly engines = new Map<string, DslEngine>();
  private readonly batcher: Batcher;
  private readonly open = new Set<Promise<unknown>>();
  /** The changes of adapters that were asked for, one after another. */
  private changed: Promise<unknown> = Promise.resolve();
  /** While adapters give way to others: it waits for the open requests, and new ones wait for it. */
  private swapping: Promise<void> | undefined;
  private disposing: Promise<void> | undefined;
  private voices: ReadonlyMap<string, Voice>;

  private constructor(
    readonly config: IBertSettings,
    private readonly session: ModelSession,
    private stored: ReadonlyMap<string, StoredAdapter>,
    private bank: LoraBank | undefined,
    private readonly inference: InferenceEngine,
  ) {
    this.batcher = new Batcher(inference, config);
    this.voices = voicesOf(stored);
  }

  /**
   * Loads a model; one of the hub must have been pulled (`pullBase`). Where loading fails, nothing of it is left.
   * @throws IBertError when configuration, files or backend are at fault
   */
  static async load(config: IBertConfig = {}): Promise<IBertModel> {
    const settings = parseOptions(IBertSettings, config, "IBertModel.load");
    const { base, backend, threads, adapters } = settings;
    for (const name of Object.keys(adapters)) requireName(name, "IBertModel.load: adapters");
    const folders = new Map(Object.entries(adapters));
    if (settings.adapter !== undefined) folders.set(MAIN, settings.adapter);
    const session = await ModelSession.open({ base, backend, threads, tokenizer: true });
    try {
      return await IBertModel.answering(session, settings, folders);
    } catch (error) {
      await session.dispose();
      throw error;
    }
  }

  private static async answering(
    session: ModelSession,
    settings: IBertSettings,
    folders: ReadonlyMap<string, string>,
  ): Promise<IBertModel> {
    const stored = new Map<string, StoredAdapter>();
    for (const [name, folder] of folders) {
      const adapter = await readAdapter(session.config, folder);
      stored.set(name, adapter);
      const { rank } = adapter.layout.config;
      if (name === MAIN && settings.loraRank !== undefined && rank !== settings.loraRank) {
        throw new IBertError(
          "lora-rank",
          `the adapter ${folder} has rank ${rank}, not ${settings.loraRank}`,
          {
            hint: "Leave loraRank out, or name the adapter that was trained with it.",
          },
        );
      }
    }
    const bank = bankOf(session, stored);
    const context = Math.min(settings.maxContext, session.config.contextLength);
    const inference = new InferenceEngine(session, bank, {
      activations: ACTIVATIONS,
      cache: settings.kvCache,
      maxRows: 512,
      maxSequences: settings.maxSequences,
      maxPositions: settings.cacheTokens ?? 2 * context,
    });
    return new IBertModel(settings, session, stored, bank, inference);
  }

  /** Backend, device and instruction set that answer, and which backends `auto` passed over for it, and why. */
  get device() {
    return this.session.device.info;
  }

  /**
   * Answers one request. Requests made at the same time are computed together, each with its adapter. With
   * `useCompilerFeedback`, an answer that the compiler refuses is given back to the model with the real error, and the
   * best answer is returned.
   * @throws IBertError where the request cannot be answered (`prompt-too-long`, `adapter-unknown`, `task-unknown`, …); what
   *   the compiler says of an answer is in its verdict
   * @example
   * ```ts
   * import { IBertModel } from "ibert";
   *
   * await using model = await IBertModel.load();
   * const answer = await model.generate({
   *   prompt: "How do I keep the five largest orders?",
   *   taskType: "qa",
   *   signal: AbortSignal.timeout(30_000),
   *   onText: (soFar) => process.stdout.write(`\r${soFar}`),
   * });
   * ```
   */
  async generate(request: GenerateRequest): Promise<GenerateResult> {
    this.requireOpen();
    const { signal, onText, ...plain } = request;
    const settings = parseOptions(GenerateSettings, plain, "generate");
    const task = parseTaskType(settings.taskType, "generate");
    while (this.swapping !== undefined) await untilAborted(this.swapping, signal);
    this.requireOpen();
    const voice =
      settings.adapter === undefined
        ? (this.voices.get(MAIN) ?? this.voices.get(BASE))
        : this.voices.get(this.requireAdapter(settings.adapter));
    if (voice === undefined) throw new TypeError("the base model has no voice");
    const answer = this.answer(voice, task, settings, { signal, onText });
    this.open.add(answer);
    try {
      return await answer;
    } finally {
      this.open.delete(answer);
    }
  }

  /** Names of the adapters that a request can ask for, "base" among them. */
  get adapters(): string[] {
    return [...this.voices.keys()].filter((name) => name !== MAIN);
  }

  /**
   * Adds an adapter under a name, or puts it in the place of the one that has it; the base model stays as it is. Requests
   * made before are answered first, those made once it has loaded with the new adapter. Where it fails, nothing changes.
   * @param folder PEFT folder
   * @throws IBertError where the adapter does not fit the base, or no request could name it
   * @example
   * ```ts
   * import { IBertModel } from "ibert";
   *
   * await using model = await IBertModel.load({ adapters: { sales: "adapters/sales-1" } });
   * await model.loadAdapter("sales", "adapters/sales-2");
   * await model.generate({ prompt: "orders.", taskType: "code_completion", adapter: "sales" });
   * ```
   */
  loadAdapter(name: string, folder: string): Promise<void> {
    return this.change(async () => {
      requireName(name, "loadAdapter");
      return new Map(this.stored).set(name, await readAdapter(this.session.config, folder));
    });
  }

  /**
   * Takes an adapter away and gives back its memory, once the requests made before are answered.
   * @throws IBertError `adapter-unknown`
   */
  unloadAdapter(name: string): Promise<void> {
    return this.change(() => {
      requireName(name, "unloadAdapter");
      this.requireAdapter(name);
      return Promise.resolve(new Map([...this.stored].filter(([other]) => other !== name)));
    });
  }

  private change(adapters: () => Promise<ReadonlyMap<string, StoredAdapter>>): Promise<void> {
    const change = this.changed.then(async () => {
      this.requireOpen();
      const stored = await adapters();
      const swap = this.swap(stored);
      this.swapping = swap.catch(() => undefined).finally(() => (this.swapping = undefined));
      await swap;
    });
    this.changed = change.catch(() => undefined);
    return change;
  }

  private async swap(stored: ReadonlyMap<string, StoredAdapter>): Promise<void> {
    const voices = voicesOf(stored);
    await Promise.allSettled(this.open);
    const bank = bankOf(this.session, stored);
    this.inference.serve(bank);
    this.bank?.free();
    this.bank = bank;
    this.stored = stored;
    this.voices = voices;
  }

  private requireOpen(): void {
    if (this.disposing !== undefined) throw new IBertError("model-disposed", "the model was disposed of");
  }

  private requireAdapter(name: string): string {
    if (this.adapters.includes(name)) return name;
    throw new IBertError("adapter-unknown", `there is no adapter "${name}"`, {
      hint: `This model has: ${this.adapters.join(", ")}. IBertConfig.adapters and loadAdapter name them.`,
    });
  }

  /**
   * Waits for the open requests, gives back the model's memory and threads and ends the compiler's process. New requests
   * are an IBertError `model-disposed`; further calls return the same promise.
   */
  dispose(): Promise<void> {
    return (this.disposing ??= this.end());
  }

  /** Disposes of the model, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private async end(): Promise<void> {
    await this.changed;
    await Promise.allSettled(this.open);
    this.inference.dispose();
    this.bank?.free();
    // One that fails to end must not keep the rest.
    const ended = await Promise.allSettled([
      this.session.dispose(),
      ...[...this.engines.values()].map((engine) => engine.close()),
    ]);
    for (const one of ended) if (one.status === "rejected") throw one.reason;
  }

  private async answer(
    voice: Voice,
    task: TaskType,
    settings: GenerateSettings,
    live: { signal: AbortSignal | undefined; onText: ((text: string) => void) | undefined },
  ): Promise<GenerateResult> {
    const request: PromptRequest = { prompt: settings.prompt };
    if (settings.schema !== undefined) request.schema = settings.schema;
    if (settings.error !== undefined) request.error = settings.error;
    if (settings.dialect !== undefined) request.dialect = settings.dialect;
    if (settings.style !== undefined) request.style = settings.style;
    const { dsl, format } = voice;
    const fields = dsl.promptFields(task, request);
    const tokens = { prompt: 0, completion: 0 };
    const ask = async (
      kind: TaskType,
      asked: typeof fields,
      onText?: (text: string) => void,
    ): Promise<string> => {
      const prompt = promptIds(this.session.tokenizer, format.prompt(kind, asked));
      this.requireContext(prompt.length);
      const limits = { stops: format.stop(kind), adapter: voice.adapter, signal: live.signal };
      const { text, count } = await this.complete(prompt, limits, settings, onText);
      tokens.prompt += prompt.length;
      tokens.completion += count;
      return text;
    };

    const start = continuesPrompt(task) ? dsl.completionStart(settings.prompt) : "";
    const { onText } = live;
    let text = start + (await ask(task, fields, onText && ((sofar) => onText(start + sofar))));
    let attempts = 1;
    if (!settings.validateWithCompiler) return { text, attempts, tokens };
    const check = (answer: string) =>
      untilAborted(this.check(voice, task, fields, answer, settings), live.signal);
    let verdict = await check(text);
    let best = { text, verdict };
    const repairs = this.config.useCompilerFeedback ? this.config.maxRepairs : 0;
    while (verdict?.error !== undefined && !verdict.ok && attempts <= repairs) {
      const broken = format.assemble(task, fields, text);
      if (broken?.language !== "dsl") break;
      const error = `${verdict.error.type}: ${verdict.error.message}`;
      const repair = dsl.repair(broken.text, error, request.schema);
      if (repair === undefined) break;
      attempts++;
      const fixed = await ask(repair.task, repair.fields);
      const repaired = continuesPrompt(task) ? dsl.continuation(fields.input, fixed) : fixed;
      if (repaired === undefined || repaired === text) break;
      const second = await check(repaired);
      if (second === undefined) break;
      text = repaired;
      verdict = second;
      // Of equals the earlier stands, which is nearer to what was asked.
      if (best.verdict === undefined || compareVerdicts(verdict, best.verdict) < 0) best = { text, verdict };
    }
    return { text: best.text, ...(best.verdict && { verdict: best.verdict }), attempts, tokens };
  }

  private requireContext(promptTokens: number): void {
    const { maxContext } = this.config;
    // What the model cannot take at all is the batcher's to say.
    if (promptTokens < maxContext || promptTokens >= this.session.config.contextLength) return;
    throw new IBertError(
      "prompt-too-long",
      `the prompt has ${promptTokens} tokens, maxContext is ${maxContext}`,
      {
        hint: "Shorten the prompt or its schema, or load the model with a larger maxContext.",
      },
    );
  }

  private async complete(
    prompt: number[],
    {
      stops,
      adapter,
      signal,
    }: { stops: readonly string[]; adapter: number; signal: AbortSignal | undefined },
    settings: GenerateSettings,
    onText: ((text: string) => void) | undefined,
  ): Promise<{ text: string; count: number }> {
    const { tokenizer } = this.session;
    const answer = new AnswerText(tokenizer, stops);
    const { temperature, topP, topK, seed, stream } = settings;
    const { ids } = await this.batcher.complete(prompt, {
      maxTokens: Math.min(settings.maxTokens, this.config.maxContext - prompt.length),
      temperature,
      topP,
      topK,
      seed,
      stream,
      adapter,
      stopIds: this.session.stopIds,
      signal,
      onToken: (id) => {
        const end = answer.push(id);
        onText?.(answer.text);
        return end;
      },
    });
    const shown = answer.text;
    const text = answer.end();
    if (text !== shown) onText?.(text);
    return { text, count: ids.length };
  }

  private async check(
    { dsl, format }: Voice,
    task: TaskType,
    fields: { input: string; schema?: Schema },
    text: string,
    settings: GenerateSettings,
  ): Promise<AnswerVerdict | undefined> {
    const code = format.assemble(task, fields, text);
    if (code === undefined) return undefined;
    let engine = this.engines.get(dsl.name);
    if (engine === undefined) this.engines.set(dsl.name, (engine = dsl.createEngine()));
    const options = {
      ...(settings.schema === undefined ? {} : { schema: settings.schema }),
      ...(settings.dialect === undefined ? {} : { dialect: settings.dialect }),
    };
    if (code.language === "sql") return sqlVerdict(await engine.checkSql(code.text, options));
    const { milliseconds: _, ...verdict } = await engine.check(code.text, options);
    return verdict;
  }
}

/** @throws IBertError `argument-invalid` where a name stands for something else */
function requireName(name: string, what: string): void {
  if (name === BASE)
    throw new IBertError("argument-invalid", `${what}: "${BASE}" names the model without one`);
  if (name === MAIN) throw new IBertError("argument-invalid", `${what}: an adapter needs a name`);
}

function bankOf(session: ModelSession, stored: ReadonlyMap<string, StoredAdapter>): LoraBank | undefined {
  if (stored.size === 0) return undefined;
  return new LoraBank(session.device, session.config, [...stored.values()], ACTIVATIONS);
}

const voicesOf = (stored: ReadonlyMap<string, StoredAdapter>): ReadonlyMap<string, Voice> =>
  new Map([
    [BASE, voiceOf(undefined, -1)],
    ...[...stored].map(([name, adapter], i): [string, Voice] => [name, voiceOf(adapter, i)]),
  ]);

function voiceOf(stored: StoredAdapter | undefined, adapter: number): Voice {
  const dsl = dslOfPackage(stored?.sidecar?.dsl.name ?? DEFAULT_DSL);
  return { adapter, dsl, format: dsl.format(stored?.sidecar?.prompts) };
}

/** SQL stands on the same ladder. */
function sqlVerdict({ canonical, ...rest }: SqlVerdict): AnswerVerdict {
  return rest.ok && canonical !== undefined ? { ...rest, sql: canonical } : rest;
}
