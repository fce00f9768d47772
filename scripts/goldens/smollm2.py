"""SmolLM2-135M-Instruct with a rank-32 LoRA on q, k, v, o: the precision oracle of the CPU backend.

    .venv-goldens/bin/python scripts/goldens/smollm2.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf

The base is the GGUF, dequantised to float32 (transformers' loader over the gguf package, which also undoes the q and k
row order). LoRA: rank 32, alpha 64, A and B from hash_init.py (A bound 1/sqrt(in), B bound 0.08). Two batches of 192
tokens: `single`, one row, and `packed`, three rows that must not see each other (each ran by itself, positions from 0).

Writes lib/models/goldens/smollm2/:

    reference.json   versions, sha256 of the GGUF, the batches' rows { ids, mask }, and for each batch the distances from
                     float32 of PyTorch's own bf16 (see BF16_MODES), whole tensors: logits NMSE, root mean square and
                     largest absolute error; LoRA gradient NMSE median, worst matrix and its name; plus the same two
                     logits numbers on the stored samples alone; the summed loss of each row in float32 and in each mode;
                     greedy: prompts, and for each of 32 steps token, runner-up and top-2 margin, float32, with and
                     without the adapter
    single.safetensors, packed.safetensors   for the T = 192 positions of the batch, rows one after another, float32:
                     vocabulary (64) I32, logits (T, 64) at those ids, logsumexp (T), top_ids (T, 5) I32, top_logits (T, 5)
                     losses (supervised tokens)
                     gradient_norms (240) Frobenius norms, gradient_projections (240, 128) sign projections (hash_init.py)
                     of the gradient of the sum of all token losses, matrices in hash_init.lora_matrices' order
                     bf16_gradient_nmse (240), autocast_gradient_nmse (240): each matrix, whole, PyTorch's own bf16
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from common import (
    ATTENTION_LINEARS,
    MODEL_GOLDENS,
    Row,
    lora_parameters,
    nmse,
    save_tensors,
    sum_loss_backward,
    versions,
    write_json,
)
from hash_init import fill_lora, hash32, lora_matrices, projections
from texts import CODE, PROMPTS, PROSE, QUESTION

LAYERS = 30
# Large enough that the logits without the adapter are 40 times further off than bf16 is.
B_BOUND = 0.08
GREEDY_STEPS = 32
SAMPLED_VOCABULARY = 64
VOCABULARY_STREAM = 0x20000
# PyTorch's own bf16: both under autocast, with the base weights stored in bf16 (what a user runs) or in float32.
BF16_MODES = {"bf16": torch.bfloat16, "autocast": torch.float32}


def load_base(gguf: Path, dtype: torch.dtype) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32).to(dtype).eval()


def with_lora(base: torch.nn.Module, b_bound: float) -> PeftModel:
    """Rank 32, alpha 64 on q, k, v, o; float32 LoRA weights from their streams."""
    config = LoraConfig(r=32, lora_alpha=64, lora_dropout=0.0, target_modules=ATTENTION_LINEARS, task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    fill_lora(lora_parameters(model), LAYERS, b_bound)
    return model


def make_batches(tokenizer) -> dict[str, list[Row]]:
    """192 tokens each; the first part of a row is its prompt and is not supervised."""

    def row(text: str, length: int, prompt: int) -> Row:
        ids = tokenizer(text).input_ids[:length]
        if len(ids) < length:
            raise ValueError(f"the text has {len(ids)} tokens, {length} are asked for")
        return Row(ids, [int(t >= prompt) for t in range(length)])

    return {
        "single": [row(CODE, 192, 64)],
        "packed": [row(PROSE, 83, 20), row(QUESTION, 31, 9), row(CODE, 78, 1)],
    }


def run(model: PeftModel, rows: list[Row]) -> dict:
    logits, losses = sum_loss_backward(model, rows)
    parameters = lora_parameters(model)
    gradients = [parameters[name].grad.clone() for name in lora_matrices(LAYERS)]
    return {"logits": torch.cat(logits), "losses": losses, "gradients": gradients}


def distance(result: dict, reference: dict, sampled: torch.Tensor) -> tuple[dict, torch.Tensor]:
    """How far a bf16 run is from float32: the numbers for reference.json and the NMSE of every gradient matrix."""
    error = result["logits"].float() - reference["logits"]
    by_matrix = torch.tensor([nmse(g, r) for g, r in zip(result["gradients"], reference["gradients"], strict=True)])
    facts = {
        "logitsNmse": nmse(result["logits"], reference["logits"]),
        "logitsNmseSampled": nmse(result["logits"][:, sampled], reference["logits"][:, sampled]),
        "logitsRmse": float(error.square().mean().sqrt()),
        "logitsRmseSampled": float(error[:, sampled].square().mean().sqrt()),
        "logitsMaxError": float(error.abs().max()),
        "gradientNmseMedian": float(by_matrix.median()),
        "gradientNmseWorst": float(by_matrix.max()),
        "gradientNmseWorstMatrix": lora_matrices(LAYERS)[int(by_matrix.argmax())],
        "rowLosses": [float(losses.double().sum()) for losses in result["losses"]],
    }
    return facts, by_matrix


def greedy(model: torch.nn.Module, ids: list[int]) -> dict[str, list]:
    tokens, runners_up, margins = [], [], []
    with torch.no_grad():
        for _ in range(GREEDY_STEPS):
            # No KV cache: the oracle has nothing that could go wrong.
            values, best = model(input_ids=torch.tensor([ids + tokens]), use_cache=False).logits[0, -1].topk(2)
            tokens.append(int(best[0]))
            runners_up.append(int(best[1]))
            margins.append(round(float(values[0] - values[1]), 6))
    return {"tokens": tokens, "runnersUp": runners_up, "margins": margins}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True)
    gguf = parser.parse_args().gguf
    folder = MODEL_GOLDENS / "smollm2"

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    batches = make_batches(tokenizer)
    model = with_lora(load_base(gguf, torch.float32), b_bound=B_BOUND)
    vocabulary = model.config.vocab_size
    sampled = torch.unique(torch.from_numpy(hash32(VOCABULARY_STREAM, SAMPLED_VOCABULARY).astype("int64")) % vocabulary)
    if len(sampled) != SAMPLED_VOCABULARY:
        raise ValueError("the sampled vocabulary ids are not distinct: choose another stream")

    references = {name: run(model, rows) for name, rows in batches.items()}
    generated = []
    for name, text in PROMPTS.items():
        ids = tokenizer(text).input_ids
        adapted = greedy(model, ids)
        with model.disable_adapter():
            plain = greedy(model, ids)
        print(f"--- {name}\n{text}|{tokenizer.decode(plain['tokens'])}\n--- adapted|{tokenizer.decode(adapted['tokens'])}")
        generated.append({"name": name, "ids": ids, "base": plain, "adapted": adapted})
    del model

    facts: dict[str, dict] = {name: {} for name in batches}
    gradient_nmse: dict[str, dict] = {name: {} for name in batches}
    for mode, dtype in BF16_MODES.items():
        model = with_lora(load_base(gguf, dtype), b_bound=B_BOUND)
        for name, rows in batches.items():
            with torch.autocast("cpu", dtype=torch.bfloat16):
                result = run(model, rows)
            facts[name][mode], gradient_nmse[name][mode] = distance(result, references[name], sampled)
            print(name, mode, facts[name][mode])
        del model

    for name, reference in references.items():
        logits = reference["logits"]
        top = logits.topk(5)
        tensors = {
            "vocabulary": sampled.int(),
            "logits": logits[:, sampled],
            "logsumexp": logits.double().logsumexp(dim=1).float(),
            "top_ids": top.indices.int(),
            "top_logits": top.values,
            "losses": torch.cat(reference["losses"]),
            "gradient_norms": torch.stack([g.double().norm() for g in reference["gradients"]]).float(),
            "gradient_projections": torch.stack(
                [projections(matrix, g) for matrix, g in enumerate(reference["gradients"])]
            ).float(),
        }
        tensors |= {f"{mode}_gradient_nmse": values.float() for mode, values in gradient_nmse[name].items()}
        save_tensors(folder / f"{name}.safetensors", tensors, {"versions": versions()})

    write_json(
        folder / "reference.json",
        {
            "versions": versions(),
            "gguf": {"name": gguf.name, "sha256": hashlib.sha256(gguf.read_bytes()).hexdigest()},
            "lora": {"rank": 32, "alpha": 64, "targets": ATTENTION_LINEARS, "bBound": B_BOUND},
            "batches": {name: [vars(row) for row in rows] for name, rows in batches.items()},
            "rowLosses": {
                name: [float(losses.double().sum()) for losses in reference["losses"]]
                for name, reference in references.items()
            },
            "bf16": facts,
            "greedy": generated,
        },
    )


if __name__ == "__main__":
    main()
