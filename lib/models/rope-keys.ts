/** Where a `config.json` says how positions are rotated: RoPE's base and its scaling, in any of the spellings. */
import { IBertError } from "../errors.js";
import { isObject, OTHERWISE, unsupported, type Keys, type Value } from "./config-keys.js";
import { QueryScale, RopeScaling } from "./rope.js";

/** The keys of each scaling, by transformers' names; others beside them are refused. */
const SCALINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  linear: { factor: "factor" },
  llama3: {
    factor: "factor",
    low_freq_factor: "lowFreqFactor",
    high_freq_factor: "highFreqFactor",
    original_max_position_embeddings: "originalContext",
  },
  yarn: {
    factor: "factor",
    original_max_position_embeddings: "originalContext",
    beta_fast: "betaFast",
    beta_slow: "betaSlow",
    attention_factor: "attentionFactor",
    mscale: "mscale",
    mscale_all_dim: "mscaleAllDim",
    truncate: "truncate",
  },
};
/** Keys beside them; `rope_theta` is read, and `partial_rotary_factor` and the query scale are judged, for every type. */
const BESIDE = new Set(["rope_type", "type", "rope_theta", "partial_rotary_factor", "llama_4_scaling_beta"]);

const isSet = (value: Value): boolean => value !== undefined && value !== null;

/**
 * RoPE's base, its scaling and Ministral 3's scale of queries: `rope_theta` beside `rope_scaling`, or both in
 * `rope_parameters`, which may hold one set for each kind of layer where nothing is scaled.
 * @throws IBertError `model-config-invalid` where a key or a kind of scaling is not known, RoPE covers a part of the head, or
 * two spellings disagree; they are named
 */
export function readRope(
  keys: Keys,
  path: string,
): { theta: number | undefined; scaling: RopeScaling | null; queryScale: QueryScale | null } {
  const thetas = new Map<string, number>();
  const scalings = new Map<string, RopeScaling>();
  const queryScales = new Map<string, QueryScale>();
  const theta = (at: string, value: Value): void => {
    if (typeof value === "number") thetas.set(at, value);
    else if (isSet(value)) throw unsupported(path, at, value);
  };
  const visit = (at: string, value: Value, nested: boolean): void => {
    if (!isSet(value)) return;
    if (!isObject(value)) throw unsupported(path, at, value);
    theta(`${at}.rope_theta`, value.rope_theta);
    for (const key of ["partial_rotary_factor", "mrope_section"]) {
      const setting = value[key];
      if (isSet(setting) && setting !== 1) throw unsupported(path, `${at}.${key}`, setting);
    }
    const beta = value.llama_4_scaling_beta;
    if (isSet(beta)) {
      const scale = keys.model_type === "ministral3" && !nested ? readQueryScale(value) : undefined;
      if (scale !== undefined) queryScales.set(at, scale);
      else if (beta !== 0) throw unsupported(path, `${at}.llama_4_scaling_beta`, beta);
    }
    const scaling = readScaling(at, value, keys, path, nested);
    if (scaling !== null) scalings.set(at, scaling);
    for (const [key, inner] of Object.entries(value)) if (isObject(inner)) visit(`${at}.${key}`, inner, true);
  };
  theta("rope_theta", keys.rope_theta);
  visit("rope_scaling", keys.rope_scaling, false);
  visit("rope_parameters", keys.rope_parameters, false);
  return {
    theta: agreed(thetas, path) ?? undefined,
    scaling: agreed(scalings, path),
    queryScale: agreed(queryScales, path),
  };
}

/** Ministral 3's scale of queries; undefined where a value is none, or the original context is missing. */
function readQueryScale(value: Keys): QueryScale | undefined {
  return QueryScale.safeParse({
    beta: value.llama_4_scaling_beta,
    originalContext: value.original_max_position_embeddings,
  }).data;
}

/** The scaling that one set of keys asks for. */
function readScaling(
  at: string,
  value: Keys,
  model: Keys,
  path: string,
  nested: boolean,
): RopeScaling | null {
  const type = value.rope_type ?? value.type ?? "default";
  if (isSet(value.rope_type) && isSet(value.type) && value.type !== value.rope_type)
    throw unsupported(path, `${at}.type`, value.type);
  // Without a type, a factor still says that positions are stretched.
  const stretched = type === "default" && (value.factor ?? 1) !== 1;
  if ((type === "default" && !stretched) || (type === "linear" && value.factor === 1)) return null;
  const names = SCALINGS[type as string];
  if (names === undefined || stretched || nested) {
    const kind = stretched ? `factor ${JSON.stringify(value.factor)}` : `type ${JSON.stringify(type)}`;
    throw new IBertError("model-config-invalid", `${path}: ${at}: rope_scaling of ${kind} is not supported`, {
      hint: nested ? "Scalings that differ between kinds of layers are not followed." : OTHERWISE,
    });
  }
  for (const [key, setting] of Object.entries(value)) {
    // transformers reads the context beside the scaling, not in it.
    if (key in names || BESIDE.has(key) || key === "max_position_embeddings" || !isSet(setting)) continue;
    throw unsupported(path, `${at}.${key}`, setting);
  }
  const settings: Record<string, Value> = { type };
  for (const [theirs, ours] of Object.entries(names)) {
    if (isSet(value[theirs])) settings[ours] = value[theirs];
  }
  if ("original_max_position_embeddings" in names) {
    // As in transformers: the model's own key comes first, and the whole context stands in for none.
    settings.originalContext =
      model.original_max_position_embeddings ?? settings.originalContext ?? model.max_position_embeddings;
  }
  const result = RopeScaling.safeParse(settings);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const ours = String(issue?.path[0] ?? "type");
  const key = Object.keys(names).find((theirs) => names[theirs] === ours) ?? ours;
  throw new IBertError("model-config-invalid", `${path}: ${at}.${key}: ${issue?.message ?? "invalid"}`, {
    hint: `rope_scaling of type ${JSON.stringify(type)} takes ${Object.keys(names).join(", ")}.`,
  });
}

/** The value that all places name; null for none. */
function agreed<T>(places: ReadonlyMap<string, T>, path: string): T | null {
  const [first, ...others] = places;
  if (first === undefined) return null;
  const text = JSON.stringify(first[1]);
  const other = others.find(([, value]) => JSON.stringify(value) !== text);
  if (other === undefined) return first[1];
  throw new IBertError(
    "model-config-invalid",
    `${path}: ${first[0]} is ${text}, but ${other[0]} is ${JSON.stringify(other[1])}`,
    { hint: "Keep the one that the model was trained with." },
  );
}

/** A scaling as `rope_scaling` holds it. */
export function scalingKeys({ type, ...settings }: RopeScaling): Record<string, Value> {
  const names = Object.entries(SCALINGS[type] ?? {});
  const theirs = (ours: string): string => names.find(([, name]) => name === ours)?.[0] ?? ours;
  return {
    rope_type: type,
    ...Object.fromEntries(Object.entries(settings).map(([ours, value]) => [theirs(ours), value])),
  };
}

/** RoPE's base and scalings as Ministral 3 has them, all in `rope_parameters`. */
export function ropeParameters(
  theta: number,
  scaling: RopeScaling | null,
  queryScale: QueryScale | null,
): Record<string, Value> {
  return {
    ...(scaling === null ? { rope_type: "default" } : scalingKeys(scaling)),
    rope_theta: theta,
    ...(queryScale === null
      ? {}
      : {
          llama_4_scaling_beta: queryScale.beta,
          original_max_position_embeddings: queryScale.originalContext,
        }),
  };
}
