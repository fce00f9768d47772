/** What a base model takes of a device in each precision, for training and for answering, with no weights at hand. */
import { IBertError } from "../errors.js";
import { DTYPES, tensorBytes, type DType as FileDType } from "../formats/dtypes.js";
import { InferenceEngine } from "../generation/engine.js";
import type { ModelConfig } from "../models/config.js";
import { Decoder, RECOMPUTE, type Recompute } from "../models/decoder.js";
import { loadDecoderWeights } from "../models/device-weights.js";
import { LoraAdapter, LoraLayout } from "../models/lora.js";
import { expectedTensors, type ModelWeights } from "../models/weights.js";
import { Device } from "../runtime/device.js";
import type { DeviceInfo, DevicePeaks } from "../runtime/native.js";
import { rowMajorBytes } from "../runtime/tensor.js";
import type { TrainingConfig } from "./config.js";
import { leanerVariants } from "./fitting.js";
import { availableMemory, planMemory } from "./plan.js";
import { speedLimits, type SpeedLimits } from "./roofline.js";
import { TrainStep } from "./train-step.js";

/** What the matrices of a base may be stored in, the most precise first. */
export const PRECISIONS = ["bf16", "q8_0", "q6_k", "q5_k", "q4_k", "q4_0"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** Where a plan computes. */
export interface PlanTarget {
  backend: string;
  /** Architecture of a device that need not be there, such as `sm_90`. */
  device?: string | undefined;
  /** Bytes of the device that may be taken; default what is available there. */
  memory?: number | undefined;
}

/** Memory of training on the device at its highest point, in bytes. */
export interface TrainingNeed {
  recompute: Recompute;
  tokensPerBatch: number;
  gradientAccumulation: number;
  weights: number;
  /** Parameters and their gradients. */
  adapter: number;
  /** Both moments of AdamW, and what else the optimizer holds. */
  moments: number;
  activations: number;
  workspace: number;
  /** The highest point, which can be that of loading: a matrix is there as it is stored and packed. */
  total: number;
}

/** Memory of answering on the device, in bytes. */
export interface ServingNeed {
  weights: number;
  adapter: number;
  /** Keys and values of all positions. */
  cache: number;
  activations: number;
  workspace: number;
  /** The highest point, which can be that of loading: a matrix is there as it is stored and packed. */
  total: number;
}

export interface PrecisionPlan {
  precision: Precision;
  /** With each setting of recompute and the tokens that were asked for. */
  training: TrainingNeed[];
  serving: ServingNeed;
}

/** What fits with the best precision, then with the least that is computed twice, then with the largest micro-batches. */
export interface BasePlan {
  device: Pick<DeviceInfo, "backend" | "name" | "architecture" | "sharesHostMemory">;
  /** Bytes that the plan may take. */
  memory: number;
  /** Positions that the cache of `serving` holds. */
  positions: number;
  precisions: PrecisionPlan[];
  /** The proposals; none where nothing fits. */
  training?: { precision: Precision } & TrainingNeed;
  serving?: { precision: Precision } & ServingNeed;
  /** Where training does not fit: the least that it takes, in any of the ways that were tried. */
  leastTraining?: { precision: Precision } & TrainingNeed;
  /** What the device's peaks allow of the proposals, where its maker gives them. */
  limits?: SpeedLimits;
  /** What fits into the sizes of memory that devices come in, whatever this one has. */
  sizes: SizeProposal[];
}

/** Gigabytes of devices. */
const SIZES = [16, 24, 48, 80] as const;

/** The proposals for a device with so much memory, of which a share is left to contexts, driver and fragmentation. */
export interface SizeProposal {
  gigabytes: number;
  /** Bytes that the proposals may take. */
  memory: number;
  training?: { precision: Precision } & TrainingNeed;
  serving?: { precision: Precision } & ServingNeed;
}

/** What of a device's memory a run may take. */
const USABLE = 0.94;

/** Sequences and rows of a step, as `IBertModel` answers. */
export interface ServingOptions {
  positions: number;
  maxSequences: number;
  cache: "bf16" | "q8_0";
}

/** Weights that no file holds: matrices in `precision`, vectors in float32. They can only be planned with. */
function assumedWeights(config: ModelConfig, precision: Precision): ModelWeights {
  const shapes = expectedTensors(config);
  return {
    config,
    names: [...shapes.keys()],
    remarks: [],
    tensor(asked) {
      const name =
        config.tieWordEmbeddings && asked === "lm_head.weight" ? "model.embed_tokens.weight" : asked;
      const shape = shapes.get(name);
      if (shape === undefined) throw new RangeError(`a ${config.architecture} has no tensor ${name}`);
      const dtype = shape.length === 1 ? "F32" : fileType(precision);
      return {
        name,
        path: config.architecture,
        byteOffset: 0,
        byteLength: tensorBytes(dtype, shape),
        dtype,
        shape,
      };
    },
  };
}

const fileType = (precision: Precision): FileDType => precision.toUpperCase() as FileDType;

/** Whether the device takes every matrix of the model in a precision, whose blocks must divide the rows. */
function isPossible(device: Device, config: ModelConfig, precision: Precision): boolean {
  const { blockElements } = DTYPES[fileType(precision)];
  return [...expectedTensors(config).values()].every(
    (shape) =>
      shape.length === 1 ||
      ((shape[1] ?? 0) % blockElements === 0 && device.canPack(precision, shape[0] ?? 0, shape[1] ?? 0)),
  );
}

class Planner {
  constructor(
    private readonly config: ModelConfig,
    private readonly target: PlanTarget,
  ) {}

  /** A planned device; one for each plan, since what it counts is the highest point so far. */
  open(): Device {
    const { backend, device } = this.target;
    return Device.open(backend, { planned: device ?? true });
  }

  async training(precision: Precision, run: TrainingConfig): Promise<TrainingNeed> {
    await using device = this.open();
    const weights = await loadDecoderWeights(device, assumedWeights(this.config, precision));
    const layout = new LoraLayout(this.config, run.lora);
    const { recompute } = run.model;
    const { tokensPerBatch, gradientAccumulation } = run.data;
    let moments = 0;
    const plan = planMemory({ device }, () => {
      const adapter = new LoraAdapter(device, layout, { training: true });
      const before = device.memory.held;
      const options = { activations: run.model.activations, recompute };
      const decoder = new Decoder(device, this.config, weights, adapter, options);
      const step = new TrainStep(decoder, run.optimizer, tokensPerBatch);
      moments = device.memory.held - before;
      return step;
    });
    return {
      ...{ recompute, tokensPerBatch, gradientAccumulation },
      ...{ weights: plan.weights, adapter: plan.adapter - moments, moments },
      ...{ activations: plan.activations, workspace: plan.workspace, total: plan.device },
    };
  }

  async serving(precision: Precision, run: TrainingConfig, options: ServingOptions): Promise<ServingNeed> {
    await using device = this.open();
    const weights = await loadDecoderWeights(device, assumedWeights(this.config, precision));
    const onDevice = device.memory.held;
    const adapter = new LoraAdapter(device, new LoraLayout(this.config, run.lora), { training: false });
    const withAdapter = device.memory.held;
    const { positions, maxSequences, cache: dtype } = options;
    using engine = new InferenceEngine({ device, config: this.config, weights }, adapter, {
      ...{ activations: run.model.activations, cache: dtype },
      ...{ maxRows: 512, maxSequences, maxPositions: positions },
    });
    const cache = [...engine.cache.keys, ...engine.cache.values].reduce(
      (sum, { shape, dtype }) => sum + rowMajorBytes(shape, dtype),
      0,
    );
    const { held, peak, workspace } = device.memory;
    return {
      ...{ weights: onDevice, adapter: withAdapter - onDevice, cache },
      ...{ activations: held - withAdapter - cache, workspace, total: Math.max(peak, held) + workspace },
    };
  }
}

/**
 * Plans the training and the serving of a base on a device, in each precision that the device takes.
 * @param run the run, whose base, corpus and output are not looked at
 * @throws IBertError `backend-unavailable`, or `lora-invalid` where the rank is
 */
export async function planBase(
  config: ModelConfig,
  target: PlanTarget,
  run: TrainingConfig,
  options: ServingOptions,
): Promise<BasePlan> {
  const planner = new Planner(config, target);
  await using device = planner.open();
  const { backend, name, architecture, sharesHostMemory, availableBytes } = device.info;
  const available = sharesHostMemory ? Math.min(availableMemory(), availableBytes) : availableBytes;
  const memory = target.memory ?? available;
  const precisions: PrecisionPlan[] = [];
  for (const precision of PRECISIONS) {
    if (!isPossible(device, config, precision)) continue;
    const training: TrainingNeed[] = [];
    for (const recompute of RECOMPUTE) {
      training.push(await planner.training(precision, { ...run, model: { ...run.model, recompute } }));
    }
    precisions.push({ precision, training, serving: await planner.serving(precision, run, options) });
  }
  const known = new Map<string, TrainingNeed>();
  const { fitting, least } = await proposeTraining(planner, run, precisions, memory, known);
  const servingFor = (most: number): BasePlan["serving"] => {
    const found = precisions.find((plan) => plan.serving.total <= most);
    return found === undefined ? undefined : { precision: found.precision, ...found.serving };
  };
  const sizes: SizeProposal[] = [];
  for (const gigabytes of SIZES) {
    const most = gigabytes * 1e9 * USABLE;
    const { fitting: training } = await proposeTraining(planner, run, precisions, most, known);
    const serving = servingFor(most);
    sizes.push({
      ...{ gigabytes, memory: most },
      ...(training === undefined ? {} : { training }),
      ...(serving === undefined ? {} : { serving }),
    });
  }
  const serving = servingFor(memory);
  const limits = limitsOf(config, device.info.peaks, run, options, fitting, serving);
  return {
    device: { backend, name, architecture, sharesHostMemory },
    ...{ memory, positions: options.positions, precisions, sizes },
    ...(fitting === undefined ? { leastTraining: least } : { training: fitting }),
    ...(serving === undefined ? {} : { serving }),
    ...(limits === undefined ? {} : { limits }),
  };
}

function limitsOf(
  config: ModelConfig,
  peaks: DevicePeaks | undefined,
  run: TrainingConfig,
  { maxSequences: sequences }: ServingOptions,
  training: BasePlan["training"],
  serving: BasePlan["serving"],
): SpeedLimits | undefined {
  if (peaks === undefined || serving === undefined) return undefined;
  const { weights, adapter } = serving;
  const adapterParameters = new LoraLayout(config, run.lora).matrices.reduce(
    (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  return speedLimits(config, peaks, {
    ...{ weights, adapter, sequences, adapterParameters },
    ...(training === undefined ? {} : { recompute: training.recompute }),
  });
}

/** The first way to train that fits; where none does, the least that any takes. */
async function proposeTraining(
  planner: Planner,
  run: TrainingConfig,
  precisions: readonly PrecisionPlan[],
  memory: number,
  /** What was planned before. */
  planned: Map<string, TrainingNeed>,
) {
  let least: ({ precision: Precision } & TrainingNeed) | undefined;
  for (const { precision, training } of precisions) {
    for (const config of [run, ...[...leanerVariants(run, 0)].map((variant) => variant.config)]) {
      const { tokensPerBatch } = config.data;
      const known = training.find(
        (need) => need.recompute === config.model.recompute && need.tokensPerBatch === tokensPerBatch,
      );
      const key = `${precision} ${config.model.recompute} ${tokensPerBatch}`;
      const own = known ?? planned.get(key) ?? (await planner.training(precision, config));
      planned.set(key, own);
      const need = { precision, ...own };
      if (least === undefined || need.total < least.total) least = need;
      if (need.total <= memory) return { fitting: need, least };
      // Nothing about the micro-batch changes what weights, adapter and moments take. The last is tried for its least.
      const fixed = need.weights + need.adapter + need.moments;
      if (fixed > memory && precision !== precisions.at(-1)?.precision) break;
    }
  }
  if (least === undefined)
    throw new IBertError("dtype-unsupported", "the device packs no precision of this model");
  return { least };
}
