"""50 steps of PEFT + AdamW on SmolLM2-135M-Instruct in float32: the oracle of the trainer's loss curve.

    .venv-goldens/bin/python scripts/goldens/training_curve.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf

The base is float32 (dequantised from the GGUF). LoRA: rank 32, alpha 64 on q, k, v, o; A from hash_init.py with bound
1/sqrt(in), B zero. Every step has four rows of some 50 tokens, a question in words and the Ibis expression that answers it,
drawn by the hash from the lists below; the loss falls on the expression and the end-of-text token. The gradient is the
sum over supervised tokens divided by their number in the step, clipped to norm 1; torch.optim.AdamW, betas 0.9 and 0.999,
eps 1e-8, no weight decay; learning rate 3e-4 under transformers' get_cosine_schedule_with_warmup(5, 50), which makes the
first step's rate 0: the rates are in the file.

Writes lib/training/goldens/curve.json:

    versions, gguf { name, sha256 }, hyperparameters
    learningRates (50)     the rate used at each step
    losses (50)            mean over the step's supervised tokens, before the update
    gradientNorms (50)     before clipping
    supervised (50)        number of supervised tokens
    bf16                   the same run by PyTorch with bf16 base weights under autocast: { losses, largestDeviation }
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

TABLES = {
    "orders": (["city", "customer", "status"], ["total", "discount", "items"]),
    "flights": (["carrier", "origin", "dest"], ["delay", "distance", "seats"]),
    "events": (["user", "device", "country"], ["duration", "clicks", "score"]),
    "payments": (["bank", "currency", "method"], ["amount", "fee", "tax"]),
    "sensors": (["site", "model", "room"], ["temperature", "pressure", "voltage"]),
}
AGGREGATES = {"total": "sum", "average": "mean", "smallest": "min", "largest": "max", "median": "median"}


def example(number: int) -> tuple[str, str]:
    """Question and answer number `number`; all choices come from its own hash stream."""
    draws = iter(hash32(TEXT_STREAM + number, 12).tolist())

    def pick(choices: list) -> object:
        return choices[next(draws) % len(choices)]

    table = pick(list(TABLES))
    keys, measures = TABLES[table]
    key, measure, word, bound, count = pick(keys), pick(measures), pick(list(AGGREGATES)), pick(range(1, 90)), pick(range(3, 40))
    function = AGGREGATES[word]
    form = pick(["filter", "group", "top", "distinct", "rename"])
    if form == "filter":
        return (
            f"rows of {table} with {measure} above {bound}, only {key} and {measure}",
            f't.filter(t.{measure} > {bound}).select("{key}", "{measure}")',
        )
    if form == "group":
        return (
            f"{word} {measure} of {table} by {key}, largest first",
            f't.group_by("{key}").aggregate(value=t.{measure}.{function}()).order_by(ibis.desc("value"))',
        )
    if form == "top":
        return (
            f"the {count} rows of {table} with the highest {measure}",
            f't.order_by(t.{measure}.desc()).limit({count})',
        )
    if form == "distinct":
        return (
            f"how many different {key} values has {table} where {measure} is at most {bound}",
            f"t.filter(t.{measure} <= {bound}).{key}.nunique()",
        )
    return (
        f"{table} with {measure} times {count} as a new column scaled, without rows that lack a {key}",
        f"t.filter(t.{key}.notnull()).mutate(scaled=t.{measure} * {count})",
    )


def make_rows(tokenizer) -> list[list[Row]]:
    """Prompt and completion are tokenised apart; the completion ends with the end-of-text token."""
    steps = []
    for step in range(STEPS):
        rows = []
        for number in range(step * ROWS_PER_STEP, (step + 1) * ROWS_PER_STEP):
            question, answer = example(number)
            prompt = tokenizer(f"# Ibis: {question}\n").input_ids
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
    narrow = train(with_lora(load_base(gguf, torch.bfloat16), b_bound=0.0), steps, autocast=True)["losses"]
    deviation = max(abs(n - r) / r for n, r in zip(narrow, reference["losses"], strict=True))
    print("losses", [round(loss, 3) for loss in reference["losses"]], "bf16 deviates by", deviation)
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
