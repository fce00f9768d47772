"""Tiny random models with PEFT adapters: the exactness oracle of the decoder graph.

    .venv-goldens/bin/python scripts/goldens/tiny_model.py

Writes, under lib/models/goldens/, one folder a model:

    tiny-llama/    Llama: hidden 64 = 4 heads x 16, 2 KV heads, untied head, rope theta 1e4
    tiny-mistral/  Mistral as Devstral is shaped: head_dim 16 != hidden / heads (48 / 4), tied head, rope theta 1e6

and in each

    config.json model.safetensors        written by transformers' save_pretrained, float32
    adapter-qkvo/ adapter-all/           written by PEFT's save_pretrained: r 4, alpha 8, B random and not zero
    batch.json                           rows { ids, mask }: mask[t] = 1 where token t is a target
    expected-base.safetensors            row<i>.logits (T, V) with no adapter
    expected-qkvo.safetensors, -all      row<i>.logits (T, V), row<i>.losses (supervised tokens, nats),
                                         grad.<PEFT tensor name>: gradient of the sum of all token losses

Expected tensors are float64: the float32 weights are widened and the model runs in float64 (transformers still
computes RMSNorm and the RoPE tables in float32). The NMSE of the same model run in float32 against them stands in the
file's metadata, key `golden`: JSON { versions, nmseLogitsFloat32, nmseGradientsFloat32 (the worst matrix) }.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig

from common import (
    ALL_LINEARS,
    ATTENTION_LINEARS,
    MODEL_GOLDENS,
    Row,
    lora_parameters,
    nmse,
    row_logits,
    save_tensors,
    sum_loss_backward,
    versions,
    write_json,
)

CONFIGS = {
    "tiny-llama": LlamaConfig(
        vocab_size=97,
        hidden_size=64,
        intermediate_size=88,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=128,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "tiny-mistral": MistralConfig(
        vocab_size=67,
        hidden_size=48,
        intermediate_size=72,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=128,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
        rms_norm_eps=1e-5,
        sliding_window=None,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    ),
}
ADAPTERS = {"qkvo": ATTENTION_LINEARS, "all": ALL_LINEARS}
# (row length, supervised spans [start, end)): a usual row, a short one, and one with two spans.
ROWS = [(13, [(6, 13)]), (5, [(1, 5)]), (19, [(4, 8), (11, 19)])]


def random_base(config: LlamaConfig | MistralConfig, generator: torch.Generator) -> torch.nn.Module:
    """A model whose every part matters: norms away from 1, projections large enough that attention is not uniform."""
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.copy_(1 + 0.2 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * 1.4 / parameter.shape[1] ** 0.5)
    return model.eval()


def random_rows(vocabulary: int, generator: torch.Generator) -> list[Row]:
    rows = []
    for length, spans in ROWS:
        mask = [int(any(start <= t < end for start, end in spans)) for t in range(length)]
        rows.append(Row(torch.randint(0, vocabulary, (length,), generator=generator).tolist(), mask))
    return rows


def write_adapter(folder: Path, adapter: str, targets: list[str], generator: torch.Generator) -> None:
    """A PEFT adapter on the model in `folder`, with seeded random A and B, saved by PEFT itself."""
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=sorted(targets), task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    with torch.no_grad():
        for parameter in lora_parameters(model).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.6 / parameter.shape[1] ** 0.5)
    model.save_pretrained(folder / f"adapter-{adapter}")
    (folder / f"adapter-{adapter}/README.md").unlink(missing_ok=True)
    # The base's name in place of its path on one machine; PEFT writes a set, in an order that changes from run to run.
    config_path = folder / f"adapter-{adapter}/adapter_config.json"
    stored = json.loads(config_path.read_text())
    stored |= {"base_model_name_or_path": folder.name, "target_modules": sorted(stored["target_modules"])}
    config_path.write_text(json.dumps(stored, indent=2) + "\n")


def expected_with_adapter(folder: Path, adapter: str, rows: list[Row]) -> dict[str, float]:
    """Logits, losses and gradients in float64, with the float32 run's distance from them."""
    results = {}
    for dtype in (torch.float64, torch.float32):
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        model = PeftModel.from_pretrained(base, folder / f"adapter-{adapter}", is_trainable=True).to(dtype).eval()
        logits, losses = sum_loss_backward(model, rows)
        gradients = {name: parameter.grad for name, parameter in lora_parameters(model).items()}
        results[dtype] = logits, losses, gradients
    (logits, losses, gradients), (logits32, _, gradients32) = results[torch.float64], results[torch.float32]
    measured = {
        "nmseLogitsFloat32": nmse(torch.cat(logits32), torch.cat(logits)),
        "nmseGradientsFloat32": max(nmse(gradients32[name], gradients[name]) for name in gradients),
    }
    tensors = {f"row{i}.logits": values for i, values in enumerate(logits)}
    tensors |= {f"row{i}.losses": values for i, values in enumerate(losses)}
    tensors |= {f"grad.{name}": value for name, value in gradients.items()}
    save(folder / f"expected-{adapter}.safetensors", tensors, measured)
    return measured


def expected_base(folder: Path, rows: list[Row]) -> None:
    with torch.no_grad():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
        wide = [row_logits(model, row) for row in rows]
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        narrow = [row_logits(model, row) for row in rows]
    measured = {"nmseLogitsFloat32": nmse(torch.cat(narrow), torch.cat(wide))}
    save(folder / "expected-base.safetensors", {f"row{i}.logits": values for i, values in enumerate(wide)}, measured)


def save(path: Path, tensors: dict[str, torch.Tensor], measured: dict[str, float]) -> None:
    save_tensors(path, tensors, {"versions": versions(), **measured})
    print(measured)


def main() -> None:
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    for seed, (name, config) in enumerate(CONFIGS.items(), start=1):
        folder = MODEL_GOLDENS / name
        shutil.rmtree(folder, ignore_errors=True)
        generator = torch.Generator().manual_seed(seed)
        random_base(config, generator).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        rows = random_rows(config.vocab_size, generator)
        write_json(folder / "batch.json", {"versions": versions(), "rows": [vars(row) for row in rows]})
        expected_base(folder, rows)
        for adapter, targets in ADAPTERS.items():
            write_adapter(folder, adapter, targets, generator)
            expected_with_adapter(folder, adapter, rows)


if __name__ == "__main__":
    main()
