"""Tiny random models of every family: logits and LoRA gradients of the decoder graph, far and near.

    .venv-goldens/bin/python scripts/goldens/families.py

Writes lib/models/goldens/families/<name>.safetensors, one file a model. No weights are stored: both sides compute them by
`uniform` of hash_init.py (TypeScript: lib/models/testing/families.ts), a stream for each tensor, numbered in the order of
the sorted names: 0x1000 + i for the base, 0x4000 + i for the adapter.

    norms                 1 + uniform(0.3)
    biases                uniform(0.5)
    embedding and head    uniform(0.9)
    other matrices        uniform(2.4 / sqrt(columns))
    LoRA A, B             uniform(1 / sqrt(columns)), on all linears: r 4, alpha 8

Row i has the length `LENGTHS[i]`, ids hash(0x2000 + i, t) mod vocabulary, and learns every token t with t mod 3 = 1.

    row<i>.logits         (positions, V) float32, at the positions in the metadata
    grad.<PEFT's name>    float32, of the sum of all token losses

Computed in float64, tables of RoPE included. The metadata's key `golden` is JSON: { versions, config (the content of a
config.json), lengths, positions }.
"""

from __future__ import annotations

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Ministral3Config, Qwen2Config

from common import ALL_LINEARS, MODEL_GOLDENS, Row, lora_parameters, save_tensors, token_losses, versions
from hash_init import hash32, uniform

LENGTHS = [1, 31, 33, 511, 513]
SHAPE = {
    "vocab_size": 97,
    "hidden_size": 64,
    "intermediate_size": 88,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 8.0, "original_max_position_embeddings": 128}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
CONFIGS = {
    "llama3": LlamaConfig(**SHAPE, head_dim=16, tie_word_embeddings=True, rope_parameters=LLAMA3),
    "llama-linear": LlamaConfig(
        **SHAPE, head_dim=16, rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
    ),
    "llama-yarn": LlamaConfig(**SHAPE, head_dim=16, rope_parameters=YARN),
    # Devstral Small 2 in small: heads wider than hidden / heads, and four steps of the query scale.
    "ministral3": Ministral3Config(
        **SHAPE,
        head_dim=32,
        tie_word_embeddings=False,
        rope_parameters=YARN | {"mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1},
    ),
    "qwen2": Qwen2Config(**SHAPE, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
    "qwen2-yarn": Qwen2Config(**SHAPE, tie_word_embeddings=True, rope_parameters=YARN | {"rope_theta": 1e6}),
}


def weight(stream: int, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if name.endswith(".bias"):
        return uniform(stream, shape, 0.5)
    if len(shape) == 1:
        return 1 + uniform(stream, shape, 0.3)
    if "embed_tokens" in name or "lm_head" in name:
        return uniform(stream, shape, 0.9)
    return uniform(stream, shape, 2.4 / shape[1] ** 0.5)


def exact_tables(model: torch.nn.Module) -> None:
    """Replaces transformers' tables, whose angles are float32, by float64 ones of the same (float64) frequencies."""
    for module in model.modules():
        if not type(module).__name__.endswith("RotaryEmbedding"):
            continue
        kind = module.config.rope_parameters["rope_type"]
        torch.set_default_dtype(torch.float64)
        frequencies, magnitude = exact_frequencies(module, kind)
        torch.set_default_dtype(torch.float32)
        nearness = (frequencies - module.inv_freq.double()).abs() / frequencies
        if nearness.max() > 1e-6:
            raise ValueError(f"{kind}: the float64 frequencies are not transformers'")

        def forward(x, position_ids, f=frequencies, m=magnitude):
            angles = position_ids[:, :, None].double() * f
            angles = torch.cat((angles, angles), dim=-1)
            return (angles.cos() * m).to(x.dtype), (angles.sin() * m).to(x.dtype)

        module.forward = forward


def exact_frequencies(module: torch.nn.Module, kind: str) -> tuple[torch.Tensor, float]:
    """transformers' own formulas, with the float32 powers that they begin with taken in float64."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    original = torch.Tensor.to
    to = lambda self, *args, **kwargs: original(  # noqa: E731
        self, *(torch.float64 if a is torch.float else a for a in args),
        **{k: torch.float64 if v is torch.float else v for k, v in kwargs.items()},
    )
    as_float = torch.Tensor.float
    torch.Tensor.to, torch.Tensor.float = to, torch.Tensor.double
    try:
        if kind == "default":
            frequencies, magnitude = module.compute_default_rope_parameters(module.config)
        else:
            frequencies, magnitude = ROPE_INIT_FUNCTIONS[kind](module.config, torch.device("cpu"))
    finally:
        torch.Tensor.to, torch.Tensor.float = original, as_float
    return frequencies.double(), float(magnitude)


def main() -> None:
    torch.set_num_threads(1)
    for name, config in CONFIGS.items():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval()
        tied = config.tie_word_embeddings
        parameters = dict(model.named_parameters())
        for i, key in enumerate(sorted(key for key in parameters if not (tied and key == "lm_head.weight"))):
            with torch.no_grad():
                parameters[key].copy_(weight(0x1000 + i, key, tuple(parameters[key].shape)))
        exact_tables(model)
        lora = LoraConfig(r=4, lora_alpha=8, target_modules=ALL_LINEARS, task_type="CAUSAL_LM")
        model = get_peft_model(model, lora).to(torch.float64).eval()
        matrices = lora_parameters(model)
        for i, key in enumerate(sorted(matrices)):
            with torch.no_grad():
                matrices[key].copy_(uniform(0x4000 + i, tuple(matrices[key].shape), matrices[key].shape[1] ** -0.5))
        tensors, positions = {}, []
        for i, length in enumerate(LENGTHS):
            ids = [int(h) % config.vocab_size for h in hash32(0x2000 + i, length)]
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
            chosen = sorted({0, length // 3, length // 2, max(length - 2, 0), length - 1})
            positions.append(chosen)
            tensors[f"row{i}.logits"] = logits[chosen].detach().float()
            if length > 1:
                token_losses(logits, Row(ids, [int(t % 3 == 1) for t in range(length)])).sum().backward()
        tensors |= {f"grad.{key}": matrix.grad.float() for key, matrix in matrices.items()}
        facts = {"versions": versions(), "config": config.to_dict(), "lengths": LENGTHS, "positions": positions}
        save_tensors(MODEL_GOLDENS / "families" / f"{name}.safetensors", tensors, facts)


if __name__ == "__main__":
    main()
