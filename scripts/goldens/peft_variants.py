"""PEFT adapters in every form of configuration that ibert reads, on the tiny Llama of tiny_model.py.

    .venv-goldens/bin/python scripts/goldens/peft_variants.py
    # Adapters that were written again by ibert load in PEFT with the stored logits (exit status 1 if not).
    .venv-goldens/bin/python scripts/goldens/peft_variants.py --check FOLDER_OF_VARIANTS

Writes lib/models/goldens/peft-variants/<variant>/, by PEFT's save_pretrained, and in each expected.safetensors:

    logits (T, V)                        of row 0 of the model's batch.json, float64, as PEFT has them after loading the folder
    grad.<PEFT tensor name>              gradient of the sum of the row's token losses, where the variant is trained (`TRAINED`)
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from common import MODEL_GOLDENS, Row, lora_parameters, nmse, row_logits, save_tensors, sum_loss_backward, versions

BASE = MODEL_GOLDENS / "tiny-llama"
HOME = MODEL_GOLDENS / "peft-variants"
SAME = 1e-12
VARIANTS: dict[str, dict] = {
    "rslora": {"r": 3, "lora_alpha": 5, "use_rslora": True, "target_modules": ["q_proj", "v_proj"]},
    "patterns": {
        "r": 2,
        "lora_alpha": 4,
        "use_rslora": True,
        "target_modules": "all-linear",
        "rank_pattern": {"k_proj": 3, r"layers\.1\.mlp\.(gate|up)_proj": 1},
        "alpha_pattern": {"^model.layers.0.self_attn.o_proj": 7, "k_proj": 6},
    },
    "regex": {
        "r": 2,
        "lora_alpha": 3,
        "target_modules": r"model\.layers\.(?P<layer>\d+)\.(self_attn\.[qo]_proj|mlp\.up_proj)",
        "exclude_modules": r".*\.0\..*\.o_proj",
        "rank_pattern": {"1.self_attn.q_proj": 1},
    },
    "names": {
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["model.layers.0.self_attn.q_proj", "mlp.down_proj", "v_proj"],
        "layers_to_transform": [1],
    },
    "layers": {
        "r": 2,
        "lora_alpha": 2,
        "target_modules": ["gate_proj", "up_proj", "k_proj"],
        "exclude_modules": ["1.mlp.up_proj"],
        "layers_to_transform": 1,
        "layers_pattern": "layers",
    },
    # q, k and v have ranks of their own and one alpha / rank.
    "ranks": {
        "r": 2,
        "lora_alpha": 3,
        "target_modules": ["k_proj", "o_proj", "q_proj", "v_proj"],
        "rank_pattern": {"k_proj": 4, "v_proj": 1},
        "alpha_pattern": {"k_proj": 6, "v_proj": 1.5},
    },
}
TRAINED = {"ranks"}


def base_model() -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float64)


def write_adapter(folder: Path, settings: dict, generator: torch.Generator) -> None:
    model = get_peft_model(base_model().float(), LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for parameter in lora_parameters(model).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.6 / parameter.shape[1] ** 0.5)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    # As it was asked for: PEFT writes the modules that it found for `all-linear`, and sets in an order of chance.
    config_path = folder / "adapter_config.json"
    stored = json.loads(config_path.read_text())
    stored |= {"base_model_name_or_path": BASE.name, "target_modules": settings["target_modules"]}
    config_path.write_text(json.dumps(stored, indent=2) + "\n")


def loaded(folder: Path) -> PeftModel:
    model = PeftModel.from_pretrained(base_model(), folder, is_trainable=True).double().eval()
    names = set(load_file(folder / "adapter_model.safetensors"))
    if names != set(lora_parameters(model)):
        raise SystemExit(f"{folder}: PEFT has other tensors: {sorted(names ^ set(lora_parameters(model)))}")
    return model


def first_row() -> Row:
    return Row(**json.loads((BASE / "batch.json").read_text())["rows"][0])


def write() -> None:
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    shutil.rmtree(HOME, ignore_errors=True)
    generator = torch.Generator().manual_seed(7)
    row = first_row()
    for name, settings in VARIANTS.items():
        folder = HOME / name
        write_adapter(folder, settings, generator)
        model = loaded(folder)
        logits, _ = sum_loss_backward(model, [row])
        tensors = {"logits": logits[0]}
        if name in TRAINED:
            tensors |= {f"grad.{key}": value.grad for key, value in lora_parameters(model).items()}
        save_tensors(folder / "expected.safetensors", tensors, {"versions": versions()})


def check(home: Path) -> None:
    row = first_row()
    worst = 0.0
    for name in VARIANTS:
        with torch.no_grad():
            logits = row_logits(loaded(home / name), row)
        distance = nmse(logits, load_file(HOME / name / "expected.safetensors")["logits"])
        print(f"{name}: logits NMSE {distance:.3g}")
        worst = max(worst, distance)
    raise SystemExit(0 if worst <= SAME else 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="compare adapters written by ibert; write nothing")
    arguments = parser.parse_args()
    check(arguments.check) if arguments.check else write()
