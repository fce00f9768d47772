/** The model of the benchmarks, and what a token of it costs. */
import { resolveSource } from "../dist/models/sources.js";
import { openWeights } from "../dist/models/weights.js";
import { groupShapes } from "../dist/models/linears.js";

/** SmolLM2-135M-Instruct as a Q4_1 GGUF; fetched where it is not here yet. */
export async function benchmarkModel() {
  const source = await resolveSource("smollm2-135m");
  const weights = openWeights(source);
  const { config } = weights;
  const layer = groupShapes(config).reduce(
    (sum, { inputs, outputs }) => sum + inputs * outputs.reduce((total, width) => total + width, 0),
    0,
  );
  const linears = config.layers * layer;
  const head = config.vocabSize * config.hiddenSize;
  return {
    path: source.path,
    vocabulary: config.vocabSize,
    /** Weights of the linears and of the head: what every training token is multiplied by. */
    products: linears + head,
    /** Forward and gradient with respect to the input, no gradient of the frozen weights. */
    trainingFlop: 4 * (linears + head),
    /** The head is needed for the last token alone. */
    prefillFlop: 2 * linears,
    /** Bytes of the weights, each read once a decoded token: the tied head is the embedding. */
    bytes: weights.names.reduce((sum, name) => sum + weights.tensor(name).byteLength, 0),
  };
}
