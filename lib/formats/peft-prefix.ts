/** An adapter under the names that modules have in another class of the same model: of text alone, or of text and images. */
import { IBertError } from "../errors.js";
import { MODULE_PREFIXES, renameModule, type ModulePrefix } from "./peft-modules.js";
import type { PeftAdapter } from "./peft.js";

const NAME = /^base_model\.model\.(.+)\.lora_[AB]\.weight$/;

/**
 * The same adapter with other beginnings of its modules' names. Settings that may hold whole names become a list of them.
 * @throws IBertError `adapter-unsupported` where a key of `rank_pattern` or `alpha_pattern` holds a beginning itself
 */
export function withModulePrefix(adapter: PeftAdapter, prefix: ModulePrefix): PeftAdapter {
  const { modulePrefix: before = "model.", ...config } = adapter.config;
  if (before === prefix) return adapter;
  const { excluded: _, layers: __, layersPattern: ___, ...kept } = config;
  const key = Object.keys({ ...config.rankPattern, ...config.alphaPattern }).find((one) => /model/.test(one));
  if (key !== undefined) {
    throw new IBertError(
      "adapter-unsupported",
      `the pattern ${JSON.stringify(key)} names modules from their beginning on`,
      {
        hint: "Shorten the keys of rank_pattern and alpha_pattern to ends of names, such as layers.0.self_attn.q_proj.",
      },
    );
  }
  const isPlain =
    typeof config.targets !== "string" &&
    config.targets.every((name) => !MODULE_PREFIXES.some((one) => name.startsWith(one)));
  const isNarrowed = [config.excluded, config.layers, config.layersPattern].some(
    (setting) => setting !== undefined,
  );
  const modules = [...adapter.tensors.keys()].map((name) => renameModule(NAME.exec(name)?.[1] ?? "", prefix));
  const renamed = isPlain && !isNarrowed ? config : { ...kept, targets: [...new Set(modules)].sort() };
  return { ...adapter, config: prefix === "model." ? renamed : { ...renamed, modulePrefix: prefix } };
}
