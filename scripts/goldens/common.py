"""What the golden scripts share: versions, error measures, PEFT names, row losses and compact JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

transformers.utils.logging.disable_progress_bar()

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL_GOLDENS = REPOSITORY / "lib/models/goldens"
TRAINING_GOLDENS = REPOSITORY / "lib/training/goldens"

ATTENTION_LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj"]
ALL_LINEARS = [*ATTENTION_LINEARS, "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Row:
    """One row of a packed batch. `mask[t]` is 1 if token t is a target (it is predicted from position t - 1)."""

    ids: list[int]
    mask: list[int]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.mask) or self.mask[0] != 0 or not any(self.mask):
            raise ValueError("a row needs one mask entry a token, none on token 0, at least one supervised token")


def versions() -> dict[str, str]:
    """The versions that the numbers depend on, written into every golden file."""
    return {name: version(name) for name in ("torch", "transformers", "peft")}


def nmse(value: torch.Tensor, reference: torch.Tensor) -> float:
    """Normalised mean squared error: sum((v - r)^2) / sum(r^2), in float64."""
    v, r = value.detach().double(), reference.detach().double()
    return float((v - r).square().sum() / r.square().sum())


def row_logits(model: Callable, row: Row) -> torch.Tensor:
    """Logits (T, V) of one row by itself, positions 0 .. T - 1: what a packed batch must give for that row."""
    return model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0]


def token_losses(logits: torch.Tensor, row: Row) -> torch.Tensor:
    """Cross-entropy of each supervised token in order, in nats; float32 logits or wider."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    losses = torch.nn.functional.cross_entropy(wide[:-1], torch.tensor(row.ids[1:]), reduction="none")
    return losses[torch.tensor(row.mask[1:], dtype=torch.bool)]


def lora_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The trainable LoRA matrices by their name in adapter_model.safetensors."""
    return {
        name.replace(".default.weight", ".weight"): parameter
        for name, parameter in model.named_parameters()
        if ".lora_A." in name or ".lora_B." in name
    }


def sum_loss_backward(model: torch.nn.Module, rows: Sequence[Row]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Runs every row, backpropagates the *sum* of the token losses; returns logits and token losses by row."""
    model.zero_grad(set_to_none=True)
    logits = [row_logits(model, row) for row in rows]
    losses = [token_losses(values, row) for values, row in zip(logits, rows, strict=True)]
    torch.cat(losses).sum().backward()
    return [values.detach() for values in logits], [values.detach() for values in losses]


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], facts: dict) -> None:
    """A safetensors file whose metadata has one key, `golden`: several would be written in an order of chance."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, {"golden": json.dumps(facts)})
    report(path)


def report(path: Path) -> None:
    shown = path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path
    print(f"wrote {shown} ({path.stat().st_size} bytes)")


def write_json(path: Path, value: object) -> None:
    """One top-level key a line: small, and a change of one key is a change of one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(value, dict):
        raise TypeError("a golden file is a JSON object")
    lines = [f"{json.dumps(key)}: {json.dumps(item, separators=(',', ':'))}" for key, item in value.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    report(path)
