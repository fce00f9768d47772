/** Drawing the next tokens of all rows of a step at once, each in its own way. */
import { IBertError } from "../errors.js";
import type { Device } from "../runtime/device.js";
import { Recordings } from "../runtime/recordings.js";
import type { Tensor } from "../runtime/tensor.js";

/** How the outputs of one input are drawn (the op `sample`). */
export interface Drawing {
  temperature: number;
  topP: number;
  topK: number;
  /** In [0, 1), one an output. */
  uniform: readonly number[];
  /** Ids that may be drawn, one mask (`maskWords`) an output; absent: all. */
  masks?: readonly Uint32Array[] | undefined;
}

/** One drawn id an output, in the order of the inputs. */
export interface Drawn {
  ids: Int32Array;
  /** Under the model at temperature 1, over the ids that the mask allows. */
  logprobs: Float32Array;
}

/**
 * Which ids may come after those generated so far: bit v % 32 of word v / 32 is set where id v may. Asked of guessed
 * tokens too, so its answer depends on `ids` alone.
 */
export type Allow = (ids: readonly number[]) => Uint32Array;

/** Words of a mask. */
export const maskWords = (vocabSize: number): number => Math.ceil(vocabSize / 32);

const MOST_RECORDINGS = 32;
const MOST_TOP_K = 2 ** 31 - 1;

/** Draws from logits; settings and masks are uploaded, so that a recording serves all steps of so many rows. */
export class Drawer implements Disposable {
  /** temperature, topP, uniform: three values a row, one kind after the other. */
  private readonly reals: Tensor;
  private readonly topK: Tensor;
  private readonly ids: Tensor;
  private readonly logprobs: Tensor;
  /** (maxRows, words); made when the first mask comes. */
  private masks: Tensor | undefined;
  private readonly words: number;
  private readonly recordings: Recordings;

  /** @param logits (maxRows, V) */
  constructor(
    private readonly device: Device,
    private readonly logits: Tensor,
  ) {
    const [maxRows, vocabSize] = logits.shape as [number, number];
    this.words = maskWords(vocabSize);
    this.reals = device.empty([3 * maxRows], "f32");
    this.topK = device.empty([maxRows], "i32");
    this.ids = device.empty([maxRows], "i32");
    this.logprobs = device.empty([maxRows], "f32");
    this.recordings = new Recordings(device, MOST_RECORDINGS);
  }

  /** Draws for the rows of the logits from `start` on, in order, each covered once. */
  async draw(drawings: readonly Drawing[], start = 0): Promise<Drawn> {
    const { device } = this;
    const uniform = drawings.flatMap((drawing) => drawing.uniform);
    const rows = uniform.length;
    const each = (value: (drawing: Drawing) => number): number[] =>
      drawings.flatMap((drawing) => drawing.uniform.map(() => value(drawing)));
    const masked = drawings.some(({ masks }) => masks !== undefined);
    const { recording, views } = this.recordings.repeat(
      `${rows} from ${start}${masked ? ", masked" : ""}`,
      () => this.views(rows, masked),
      () => this.enqueue(rows, start, masked),
    );
    const [reals, topK, ids, logprobs, masks] = views as [Tensor, Tensor, Tensor, Tensor, Tensor?];
    device.write(
      reals,
      Float32Array.of(...each(({ temperature }) => temperature), ...each(({ topP }) => topP), ...uniform),
    );
    device.write(topK, Int32Array.from(each((drawing) => Math.min(drawing.topK, MOST_TOP_K))));
    if (masks !== undefined) device.write(masks, this.maskValues(drawings, rows));
    device.replay(recording);
    const read = [device.readLater(ids), device.readLater(logprobs)] as const;
    await device.synchronize();
    return { ids: new Int32Array(read[0].buffer), logprobs: new Float32Array(read[1].buffer) };
  }

  /**
   * What each drawing drew. The op refuses all rows for one whose logits are no numbers; each then draws by itself from the
   * same logits and random numbers, so that only the bad ones fail.
   */
  async drawEach(drawings: readonly Drawing[]): Promise<(Drawn | { failure: IBertError })[]> {
    let rows = 0;
    const starts = drawings.map(({ uniform }) => (rows += uniform.length) - uniform.length);
    try {
      const { ids, logprobs } = await this.draw(drawings);
      return drawings.map(({ uniform }, i) => {
        const [from, to] = [starts[i] as number, (starts[i] as number) + uniform.length];
        return { ids: ids.subarray(from, to), logprobs: logprobs.subarray(from, to) };
      });
    } catch (failure) {
      // Ops run in their order, and none after the first that failed: here all of the step but the drawing is done.
      if (!isDrawingFailure(failure)) throw failure;
    }
    const drawn: (Drawn | { failure: IBertError })[] = [];
    for (const [i, drawing] of drawings.entries()) {
      if (drawing.uniform.length === 0) {
        drawn.push({ ids: new Int32Array(0), logprobs: new Float32Array(0) });
        continue;
      }
      try {
        drawn.push(await this.draw([drawing], starts[i]));
      } catch (failure) {
        if (!isDrawingFailure(failure)) throw failure;
        drawn.push({ failure });
      }
    }
    return drawn;
  }

  dispose(): void {
    this.recordings.dispose();
    for (const tensor of [this.reals, this.topK, this.ids, this.logprobs, this.masks]) {
      if (tensor !== undefined) this.device.free(tensor);
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private views(rows: number, masked: boolean): Tensor[] {
    const views = [this.reals.view([3 * rows])];
    for (const tensor of [this.topK, this.ids, this.logprobs]) views.push(tensor.view([rows]));
    if (masked) views.push(this.maskTensor().view([rows, this.words]));
    return views;
  }

  private enqueue(rows: number, start: number, masked: boolean): void {
    const vocabSize = this.logits.shape[1] as number;
    this.device.ops.sample({
      logits: this.logits.view([rows, vocabSize], start * vocabSize),
      mask: masked ? this.maskTensor().view([rows, this.words]) : undefined,
      temperature: this.reals.view([rows]),
      topP: this.reals.view([rows], rows),
      uniform: this.reals.view([rows], 2 * rows),
      topK: this.topK.view([rows]),
      ids: this.ids.view([rows]),
      logprob: this.logprobs.view([rows]),
    });
  }

  private maskTensor(): Tensor {
    return (this.masks ??= this.device.empty([this.logits.shape[0] as number, this.words], "i32"));
  }

  /** The masks of all rows; those of rows without one allow everything. */
  private maskValues(drawings: readonly Drawing[], rows: number): Int32Array {
    const values = new Uint32Array(rows * this.words).fill(2 ** 32 - 1);
    let row = 0;
    for (const { uniform, masks } of drawings) {
      masks?.forEach((mask, i) => values.set(mask, (row + i) * this.words));
      row += uniform.length;
    }
    return new Int32Array(values.buffer);
  }
}

/**
 * The masks after `ids` and after each guess that follows, as far as the guesses are allowed.
 * @throws IBertError where a mask has a wrong length or allows nothing
 */
export function masksOf(
  allow: Allow,
  ids: readonly number[],
  guess: readonly number[],
  vocabSize: number,
): Uint32Array[] {
  const masks: Uint32Array[] = [];
  for (let guessed = 0; guessed <= guess.length; guessed++) {
    const mask = allow([...ids, ...guess.slice(0, guessed)]);
    requireMask(mask, ids.length + guessed, vocabSize);
    // A copy: the caller may answer with the same array again.
    masks.push(mask.slice());
    const next = guess[guessed];
    if (next === undefined || !allows(mask, next)) break;
  }
  return masks;
}

const allows = (mask: Uint32Array, id: number): boolean => (((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1;

function requireMask(mask: Uint32Array, place: number, vocabSize: number): void {
  const words = maskWords(vocabSize);
  if (!(mask instanceof Uint32Array) || mask.length !== words) {
    const what = mask instanceof Uint32Array ? `${mask.length} words` : "no Uint32Array";
    throw new IBertError(
      "argument-invalid",
      `allow: the mask of new token ${place} has ${what}, but must be a Uint32Array of ${words} words for ${vocabSize} ids`,
    );
  }
  // Bits behind the vocabulary stand for no id.
  const last = vocabSize % 32 === 0 ? mask[words - 1]! : mask[words - 1]! & (2 ** (vocabSize % 32) - 1);
  if (last === 0 && !mask.subarray(0, words - 1).some((word) => word !== 0)) {
    throw new IBertError("argument-invalid", `allow: the mask of new token ${place} allows no id`);
  }
}

/** @throws IBertError that names a setting and its value */
export function requireSampling({
  temperature,
  topP,
  topK,
}: Pick<Drawing, "temperature" | "topP" | "topK">): void {
  const wrong = (name: string, value: number, right: string): never => {
    throw new IBertError("argument-invalid", `${name} is ${value}, but must be ${right}`);
  };
  if (!(temperature >= 0 && Number.isFinite(Math.fround(temperature)))) {
    wrong("temperature", temperature, "0 or above, and finite in float32");
  }
  if (!(topP >= 0 && topP <= 1)) wrong("topP", topP, "in [0, 1]");
  if (!(Number.isInteger(topK) && topK >= 0)) wrong("topK", topK, "a whole number, 0 for no limit");
}

/** Whether the op `sample` refused a row's logits. */
function isDrawingFailure(error: unknown): error is IBertError {
  return error instanceof IBertError && error.code === "op-failed" && error.message.startsWith("sample: ");
}
