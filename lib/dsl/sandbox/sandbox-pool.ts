import { IBertError } from "../../errors.js";
import { SandboxFailure, SandboxProcess, type SandboxProgram } from "./sandbox-process.js";

// CPython's and the DSL's caches grow with every text; a fresh process takes seconds, so this is rare.
const REQUESTS_PER_PROCESS = 20_000;

interface Slot {
  process: SandboxProcess | undefined;
  busy: boolean;
}

/** Sandboxes that start when they are first needed; one that is killed or crashes is replaced at the next request. */
export class SandboxPool {
  private readonly slots: Slot[];
  private readonly queue: ((slot: Slot) => void)[] = [];
  private program: Promise<SandboxProgram> | undefined;
  private closed = false;

  /** `makeProgram` is asked once, at the first request. */
  constructor(
    private readonly makeProgram: () => Promise<SandboxProgram>,
    workers: number,
  ) {
    if (!Number.isInteger(workers) || workers < 1 || workers > 64) {
      throw new IBertError("option-invalid", `workers: ${workers} is not a whole number from 1 to 64`);
    }
    this.slots = Array.from({ length: workers }, () => ({ process: undefined, busy: false }));
  }

  get workers(): number {
    return this.slots.length;
  }

  /**
   * As SandboxProcess.request, on the first free process; the time starts when that process begins. Where a process dies
   * that answered others before, it may have died of what they left: the request is made again, once, of a new one.
   */
  async request(method: string, params: unknown, timeoutMs: number): Promise<unknown> {
    if (this.closed) throw new IBertError("engine-closed", "this engine was closed");
    const slot = await this.take();
    try {
      if (this.closed) throw new IBertError("engine-closed", "this engine was closed");
      slot.process = await this.ready(slot.process);
      const { served } = slot.process;
      try {
        return await slot.process.request(method, params, timeoutMs);
      } catch (failure) {
        const died = failure instanceof SandboxFailure && failure.kind === "crash";
        if (!died || served === 0 || this.closed) throw failure;
      }
      slot.process = await this.ready(slot.process);
      return await slot.process.request(method, params, timeoutMs);
    } finally {
      this.give(slot);
    }
  }

  /** Ends all processes; requests under way and in the queue fail. */
  async close(): Promise<void> {
    this.closed = true;
    const processes = this.slots.flatMap((slot) => slot.process ?? []);
    await Promise.all(processes.map((process) => process.close()));
  }

  private async ready(current: SandboxProcess | undefined): Promise<SandboxProcess> {
    if (current?.alive === true && current.served < REQUESTS_PER_PROCESS) return current;
    await current?.close();
    const started = await this.start();
    if (!this.closed) return started;
    await started.close();
    throw new IBertError("engine-closed", "this engine was closed");
  }

  private async start(): Promise<SandboxProcess> {
    this.program ??= this.makeProgram();
    let making = this.program;
    for (;;) {
      let program: SandboxProgram;
      try {
        program = await making;
      } catch (error) {
        if (this.program === making) this.program = undefined; // what was missing may be there next time
        throw error;
      }
      try {
        return await SandboxProcess.start(program);
      } catch (error) {
        if (program.otherwise === undefined || this.closed) throw error;
        // Others may have met the same before, and found what to start instead.
        if (this.program === making) this.program = program.otherwise();
        this.program ??= this.makeProgram();
        making = this.program;
      }
    }
  }

  private take(): Promise<Slot> {
    // A running process first: another one is started only when all that run are busy.
    const free = this.slots.filter((slot) => !slot.busy);
    const slot = free.find((candidate) => candidate.process?.alive === true) ?? free[0];
    if (slot === undefined) return new Promise((resolve) => this.queue.push(resolve));
    slot.busy = true;
    return Promise.resolve(slot);
  }

  private give(slot: Slot): void {
    const next = this.queue.shift();
    if (next === undefined) slot.busy = false;
    else next(slot);
  }
}
