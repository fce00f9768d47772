"""Frequencies and attention factors of transformers' rotary embeddings, one list for each kind of scaling.

    .venv-goldens/bin/python scripts/goldens/rope.py

Writes lib/models/goldens/rope.json:

    versions
    cases    name, headDim, parameters (of lib/models/rope.ts), frequencies (headDim / 2, float32), magnitude
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

# Ours on the left, transformers' on the right.
KEYS = {
    "factor": "factor",
    "lowFreqFactor": "low_freq_factor",
    "highFreqFactor": "high_freq_factor",
    "originalContext": "original_max_position_embeddings",
    "betaFast": "beta_fast",
    "betaSlow": "beta_slow",
    "attentionFactor": "attention_factor",
    "mscale": "mscale",
    "mscaleAllDim": "mscale_all_dim",
    "truncate": "truncate",
}

CASES = [
    ("linear", 64, {"type": "linear", "theta": 10000, "factor": 4}),
    ("llama3", 128, {"type": "llama3", "theta": 500000, "factor": 8, "lowFreqFactor": 1, "highFreqFactor": 4, "originalContext": 8192}),
    ("llama3, small heads", 64, {"type": "llama3", "theta": 500000, "factor": 32, "lowFreqFactor": 1, "highFreqFactor": 4, "originalContext": 8192}),
    ("yarn", 128, {"type": "yarn", "theta": 1000000, "factor": 4, "originalContext": 32768}),
    ("yarn, two mscales", 128, {"type": "yarn", "theta": 1000000000, "factor": 48, "originalContext": 8192, "betaFast": 32, "betaSlow": 1, "mscale": 1, "mscaleAllDim": 1}),
    ("yarn, mscales that differ", 64, {"type": "yarn", "theta": 10000, "factor": 40, "originalContext": 4096, "mscale": 0.707, "mscaleAllDim": 1.3}),
    ("yarn, not truncated", 64, {"type": "yarn", "theta": 150000, "factor": 32, "originalContext": 4096, "betaFast": 32, "betaSlow": 1, "truncate": False}),
    ("yarn, a factor of its own", 80, {"type": "yarn", "theta": 10000, "factor": 2, "originalContext": 2048, "attentionFactor": 1.25, "betaFast": 16, "betaSlow": 2}),
]


def main() -> None:
    cases = []
    for name, head_dim, ours in CASES:
        theirs = {KEYS[key]: value for key, value in ours.items() if key in KEYS}
        theirs = {"rope_type": ours["type"], "rope_theta": float(ours["theta"]), **theirs}
        original = int(ours.get("originalContext", 4096))
        config = LlamaConfig(
            hidden_size=head_dim * 4,
            num_attention_heads=4,
            head_dim=head_dim,
            max_position_embeddings=int(original * ours["factor"]),
            rope_parameters=theirs,
        )
        frequencies, magnitude = ROPE_INIT_FUNCTIONS[ours["type"]](config, torch.device("cpu"))
        cases.append(
            {
                "name": name,
                "headDim": head_dim,
                "parameters": ours,
                "frequencies": frequencies.to(torch.float32).tolist(),
                "magnitude": float(magnitude),
            }
        )
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    target = Path(__file__).resolve().parents[2] / "lib/models/goldens/rope.json"
    target.write_text(json.dumps({"versions": versions, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
