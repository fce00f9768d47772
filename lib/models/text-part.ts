/**
 * The text part of Mistral 3's models of text and images (Devstral Small 2, Mistral Small 3.1 and later): where their
 * `config.json` describes it, and which of their tensors are its weights. A text alone never enters the vision part.
 * Source: transformers' `Mistral3ForConditionalGeneration`, in the names of its releases 4 and 5.
 */
import { isObject, OTHERWISE, unsupported, type Keys, type Value } from "./config-keys.js";

const MODEL_TYPE = "mistral3";
/** The architectures that a text part has, by their `model_type`. */
const TEXT_TYPES: readonly Value[] = ["ministral3", "mistral"];

/** Keys of the whole that speak of images alone, and where the text part lies. */
const BESIDE = new Set(
  `text_config vision_config image_token_index image_token_id projector_hidden_act multimodal_projector_bias
  spatial_merge_size vision_feature_layer`.split(/\s+/),
);

/** A text part within a `config.json`. */
export interface TextPart {
  /** What describes the decoder, as the `config.json` of a model of text alone has it. */
  text: Keys;
  /** The keys around it that may concern the decoder too. */
  around: Keys;
}

/**
 * The text part that a `config.json` names; undefined where the file describes a model of text alone.
 * @throws IBertError `model-config-invalid` where `text_config` is none of a decoder that runs here
 */
export function textPart(config: Value, path: string): TextPart | undefined {
  if (!isObject(config) || config.model_type !== MODEL_TYPE) return undefined;
  const text = config.text_config;
  if (!isObject(text)) throw unsupported(path, "text_config", text ?? null, OTHERWISE);
  if (!TEXT_TYPES.includes(text.model_type))
    throw unsupported(path, "text_config.model_type", text.model_type ?? null, OTHERWISE);
  const around = Object.entries(config).filter(([key]) => !BESIDE.has(key) && key !== "model_type");
  return { text, around: Object.fromEntries(around) };
}

const VISION = /^(model\.)?(vision_tower|multi_modal_projector)\./;

/** Whether a tensor of the whole belongs to its vision part. */
export const isVisionTensor = (name: string): boolean => VISION.test(name);

/** `model.norm.weight` for `language_model.model.norm.weight` and for `model.language_model.norm.weight`. */
export const textTensorName = (name: string): string =>
  name.replace(/^(language_model\.(?=(model|lm_head)\.)|model\.language_model\.)/, (prefix) =>
    prefix.startsWith("model.") ? "model." : "",
  );
