"""50 steps of PEFT + AdamW on SmolLM2-135M-Instruct in float32: the oracle of the trainer's loss curve.

    .venv-goldens/bin/python scripts/goldens/training_curve.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf

The base is float32 (dequantised from the GGUF). LoRA: rank 32, alpha 64 on q, k, v, o; A from hash_init.py with bound
1/sqrt(in), B zero. Every step has four rows of some 60 tokens, a table's name, then its schema and an Ibis expression over it,
drawn by the hash from the lists below; the loss falls on schema, expression and end-of-text token. No model can guess the
names that were drawn, so the loss does not approach zero, where one per cent of it would be less than bf16 can resolve. The gradient is the
sum over supervised tokens divided by their number in the step, clipped to norm 1; torch.optim.AdamW, betas 0.9 and 0.999,
eps 1e-8, no weight decay; learning rate 3e-4 under transformers' get_cosine_schedule_with_warmup(5, 50), which makes the
first step's rate 0: the rates are in the file.

Writes lib/training/goldens/curve.json:

    versions, gguf { name, sha256 }, hyperparameters
    learningRates (50)     the rate used at each step
    losses (50)            mean over the step's supervised tokens, before the update
    gradientNorms (50)     before clipping
    supervised (50)        number of supervised tokens
    bf16                   the same run by PyTorch with bf16 base weights under autocast: { losses, largestDeviation },
                           the latter relative to the float32 loss of the same step
    steps (50)             rows { ids, start }: tokens from `start` on are supervised
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import torch
from transformers import AutoTokenizer, get_cosine_schedule_with_warmup

from common import TRAINING_GOLDENS, Row, lora_parameters, row_logits, token_losses, versions, write_json
from hash_init import hash32
from smollm2 import load_base, with_lora

STEPS, WARMUP, ROWS_PER_STEP = 50, 5, 4
LEARNING_RATE, CLIP = 3e-4, 1.0
BETAS, EPSILON = (0.9, 0.999), 1e-8
TEXT_STREAM = 0x30000

TABLES = ["orders", "flights", "events", "payments", "sensors", "patients", "songs", "trips", "players", "books"]
COLUMNS = """city customer status carrier origin device country bank currency method site room model author genre team
region channel category supplier total discount items delay distance seats duration clicks score amount fee tax
temperature pressure voltage price weight height speed pages""".split()
TYPES = ["string", "int64", "float64", "date", "timestamp", "boolean"]
AGGREGATES = ["sum", "mean", "min", "max", "median", "nunique", "first", "std"]


def example(number: int) -> tuple[str, str]:
    """Prompt and completion number `number`; all choices come from its own hash stream."""
    draws = iter(hash32(TEXT_STREAM + number, 32).tolist())

    def pick(choices: list) -> object:
        return choices[next(draws) % len(choices)]

    # A column may be drawn twice: the text is learnt, not run.
    table, key, first, second, extra = pick(TABLES), *(pick(COLUMNS) for _ in range(4))
    forms = [
        f't.filter(t.{first} > {pick(range(1, 999))}).select("{key}", "{second}", "{extra}")',
        f't.group_by(["{key}", "{extra}"]).aggregate({first}=t.{second}.{pick(AGGREGATES)}())',
        f't.order_by(t.{first}.desc(), t.{key}).limit({pick(range(2, 99))})',
        f't.mutate({extra}_{first}=t.{second} * {pick(range(2, 999))}).drop("{key}")',
        f't.filter(t.{key}.notnull() | t.{extra}.isnull()).{first}.{pick(AGGREGATES)}()',
    ]
    schema = ", ".join(f'"{name}": "{pick(TYPES)}"' for name in (first, second, key, extra))
    return f"# Table: {table}\n", f't = ibis.table({{{schema}}}, name="{table}")\n{pick(forms)}'


def make_rows(tokenizer) -> list[list[Row]]:
    """Prompt and completion are tokenised apart; the completion ends with the end-of-text token."""
    steps = []
    for step in range(STEPS):
        rows = []
        for number in range(step * ROWS_PER_STEP, (step + 1) * ROWS_PER_STEP):
            question, answer = example(number)
            prompt = tokenizer(question).input_ids
            completion = [*tokenizer(answer).input_ids, tokenizer.eos_token_id]
            rows.append(Row(prompt + completion, [0] * len(prompt) + [1] * len(completion)))
        steps.append(rows)
    return steps


def train(model: torch.nn.Module, steps: list[list[Row]], autocast: bool) -> dict[str, list[float]]:
    parameters = list(lora_parameters(model).values())
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, weight_decay=0.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)
    curve: dict[str, list[float]] = {"losses": [], "gradientNorms": [], "learningRates": [], "supervised": []}
    for rows in steps:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            losses = torch.cat([token_losses(row_logits(model, row), row) for row in rows])
        loss = losses.mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        curve["learningRates"].append(schedule.get_last_lr()[0])
        curve["losses"].append(float(losses.detach().double().mean()))
        curve["gradientNorms"].append(float(norm))
        curve["supervised"].append(len(losses))
        optimizer.step()
        schedule.step()
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True)
    gguf = parser.parse_args().gguf
    steps = make_rows(AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name))
    reference = train(with_lora(load_base(gguf, torch.float32), b_bound=0.0), steps, autocast=False)
    print("losses", [round(loss, 3) for loss in reference["losses"]])
    narrow = train(with_lora(load_base(gguf, torch.bfloat16), b_bound=0.0), steps, autocast=True)["losses"]
    deviation = max(abs(n - r) / r for n, r in zip(narrow, reference["losses"], strict=True))
    print("PyTorch's bf16 deviates by at most", deviation)
    write_json(
        TRAINING_GOLDENS / "curve.json",
        {
            "versions": versions(),
            "gguf": {"name": gguf.name, "sha256": hashlib.sha256(gguf.read_bytes()).hexdigest()},
            "hyperparameters": {
                "rank": 32,
                "alpha": 64,
                "targets": ["q_proj", "k_proj", "v_proj", "o_proj"],
                "learningRate": LEARNING_RATE,
                "warmupSteps": WARMUP,
                "steps": STEPS,
                "schedule": "cosine",
                "betas": BETAS,
                "epsilon": EPSILON,
                "weightDecay": 0,
                "clipNorm": CLIP,
            },
            **reference,
            "bf16": {"losses": narrow, "largestDeviation": deviation},
            "steps": [[{"ids": row.ids, "start": row.mask.index(1)} for row in rows] for rows in steps],
        },
    )


if __name__ == "__main__":
    main()
