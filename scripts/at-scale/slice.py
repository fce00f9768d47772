"""A slice of Devstral Small: two layers at its true widths, random weights, with what transformers and PEFT make of them.

    bash scripts/goldens/setup.sh
    .venv-goldens/bin/python scripts/at-scale/slice.py FOLDER

writes, outside of the repository,

    FOLDER/base/                  config.json and model.safetensors (4.9 GB of bf16), as transformers reads them
    FOLDER/adapter/               by PEFT's save_pretrained: r 16, alpha 32 on all linears, B random
    FOLDER/expected.safetensors   row<i>.logits (T, V), row<i>.losses (T - 1), grad.<PEFT tensor name> of the sum of all losses

Computed in float32 from the bf16 weights: 10.5 GB of memory. The metadata's key `golden` is JSON { versions, rows }.
`npm run at-scale:slice -- --folder FOLDER` holds ibert against it. A base that is there already is kept.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, MistralConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "goldens"))
from common import ALL_LINEARS, REPOSITORY, Row, lora_parameters, save_tensors, sum_loss_backward, versions  # noqa: E402
from hash_init import hash32  # noqa: E402

LENGTHS = [33, 31]
CONFIG = MistralConfig(
    vocab_size=131072,
    hidden_size=5120,
    intermediate_size=32768,
    num_hidden_layers=2,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    rope_parameters={"rope_type": "default", "rope_theta": 1e9},
    rms_norm_eps=1e-5,
    max_position_embeddings=131072,
    sliding_window=None,
    tie_word_embeddings=False,
    bos_token_id=1,
    eos_token_id=2,
)


def write_base(folder: Path) -> None:
    """Weights as large as a trained model's, so that every layer changes the residual stream."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in AutoModelForCausalLM.from_config(CONFIG).named_parameters()}
    generator = torch.Generator().manual_seed(13)
    tensors = {}
    for name, shape in shapes.items():
        tensor = torch.empty(shape, dtype=torch.bfloat16)
        if len(shape) == 1:
            tensor.uniform_(0.7, 1.3, generator=generator)
        else:
            tensor.normal_(0, 0.02 if "embed_tokens" not in name else 1, generator=generator)
        tensors[name] = tensor
    partial = folder / "model.safetensors.part"
    save_file(tensors, partial, {"format": "pt"})
    keys = CONFIG.to_dict() | {"architectures": ["MistralForCausalLM"], "dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(keys, indent=2) + "\n")
    partial.rename(folder / "model.safetensors")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: slice.py FOLDER")
    home = Path(sys.argv[1]).resolve()
    if home.is_relative_to(REPOSITORY):
        sys.exit(f"{home} lies in the repository; name a place outside")
    if not (home / "base/model.safetensors").exists():
        write_base(home / "base")
    model = AutoModelForCausalLM.from_pretrained(home / "base", dtype=torch.float32, attn_implementation="eager")
    lora = LoraConfig(r=16, lora_alpha=32, target_modules=ALL_LINEARS, task_type="CAUSAL_LM")
    model = get_peft_model(model, lora).eval()
    generator = torch.Generator().manual_seed(31)
    matrices = lora_parameters(model)
    with torch.no_grad():
        for name, matrix in matrices.items():
            matrix.uniform_(-1, 1, generator=generator).mul_(matrix.shape[1] ** -0.5 if "lora_A" in name else 0.01)
    model.save_pretrained(home / "adapter")
    rows = [
        Row([int(h) % CONFIG.vocab_size for h in hash32(0x2000 + i, length)], [0] + [1] * (length - 1))
        for i, length in enumerate(LENGTHS)
    ]
    logits, losses = sum_loss_backward(model, rows)
    tensors = {f"row{i}.logits": value for i, value in enumerate(logits)}
    tensors |= {f"row{i}.losses": value for i, value in enumerate(losses)}
    tensors |= {f"grad.{name}": matrix.grad for name, matrix in matrices.items()}
    facts = {"versions": versions(), "rows": [{"ids": row.ids, "mask": row.mask} for row in rows]}
    save_tensors(home / "expected.safetensors", tensors, facts)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
