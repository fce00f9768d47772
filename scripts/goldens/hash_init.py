"""Large seeded tensors without storing them: a hash of (stream, element), the same bits in Python and TypeScript.

The twin is lib/models/testing/hash-init.ts; both are checked against lib/models/goldens/hash-init.json, made by

    .venv-goldens/bin/python scripts/goldens/hash_init.py

Definition, all in unsigned 32-bit arithmetic (mod 2^32), `>>` logical:

    fmix32(h):  h ^= h >> 16;  h *= 0x85EBCA6B;  h ^= h >> 13;  h *= 0xC2B2AE35;  h ^= h >> 16     (MurmurHash3)
    hash(s, e)  = fmix32(fmix32(s + 1) ^ fmix32(e + 0x9E3779B9))
    uniform(s, e, a) = float32(((hash(s, e) >> 8) * 2^-23 - 1) * a)     in [-a, a); product in float64, rounded once
    sign(s, e)  = bit b of hash(s, e): 1 is +1, 0 is -1

Streams of a LoRA on q, k, v, o (module number 0, 1, 2, 3) in layer l:

    matrix number t = (l * 4 + module) * 2 + (0 for A, 1 for B)
    A[r, in]  element r * in_features + i:  uniform(t, e, 1 / sqrt(in_features))     (PEFT's own bound for A)
    B[out, r] element o * rank + r:         uniform(t, e, bound)                     (0.08 in smollm2.py; 0 when training starts)

Sign projections of a gradient matrix g, flattened row by row: p[32 w + b] = sum over e of sign_b(0x10000 + 4 t + w, e) * g[e]
for w in 0..3, b in 0..31, in float64. They estimate the NMSE of a whole matrix without storing it: for any error d,
mean_j (p_j(d))^2 has the expectation |d|^2, and over 128 projections a relative standard deviation of at most 12.5 %.
"""

from __future__ import annotations

import numpy as np
import torch

from common import ATTENTION_LINEARS, MODEL_GOLDENS, write_json

PROJECTION_STREAM = 0x10000
PROJECTION_WORDS = 4


def fmix32(h: np.ndarray) -> np.ndarray:
    h = h ^ (h >> np.uint32(16))
    h = h * np.uint32(0x85EBCA6B)
    h = h ^ (h >> np.uint32(13))
    h = h * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def hash32(stream: int, count: int) -> np.ndarray:
    """hash(stream, 0 .. count - 1) as uint32."""
    elements = np.arange(count, dtype=np.uint32) + np.uint32(0x9E3779B9)
    return fmix32(fmix32(np.array([stream + 1], dtype=np.uint32)) ^ fmix32(elements))


def uniform(stream: int, shape: tuple[int, ...], bound: float) -> torch.Tensor:
    """A float32 tensor of uniform(stream, e, bound), elements numbered row by row."""
    unit = (hash32(stream, int(np.prod(shape))) >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1.0
    return torch.from_numpy((unit * bound).astype(np.float32).reshape(shape))


def projections(matrix: int, gradient: torch.Tensor) -> torch.Tensor:
    """The 128 sign projections of gradient matrix number `matrix`, float64."""
    flat = gradient.detach().double().flatten().numpy()
    result = np.empty(32 * PROJECTION_WORDS)
    for word in range(PROJECTION_WORDS):
        bits = hash32(PROJECTION_STREAM + PROJECTION_WORDS * matrix + word, flat.size)
        for bit in range(32):
            plus = ((bits >> np.uint32(bit)) & np.uint32(1)).astype(bool)
            result[32 * word + bit] = 2.0 * flat[plus].sum() - flat.sum()
    return torch.from_numpy(result)


def lora_matrices(layers: int) -> list[str]:
    """Names in adapter_model.safetensors of all q, k, v, o matrices; the place in the list is the matrix number."""
    return [
        f"base_model.model.model.layers.{layer}.self_attn.{module}.{part}.weight"
        for layer in range(layers)
        for module in ATTENTION_LINEARS
        for part in ("lora_A", "lora_B")
    ]


def fill_lora(parameters: dict[str, torch.nn.Parameter], layers: int, b_bound: float) -> None:
    """Sets A and B of every q, k, v, o linear to their streams."""
    for matrix, name in enumerate(lora_matrices(layers)):
        parameter = parameters[name]
        bound = parameter.shape[1] ** -0.5 if ".lora_A." in name else b_bound
        with torch.no_grad():
            parameter.copy_(uniform(matrix, tuple(parameter.shape), bound))


def main() -> None:
    gradient = uniform(7, (3, 5), 1.0)
    write_json(
        MODEL_GOLDENS / "hash-init.json",
        {
            "hash": [{"stream": s, "values": hash32(s, 8).tolist()} for s in (0, 1, 239, 0x10000)],
            "uniform": [
                {"stream": s, "bound": bound, "values": uniform(s, (8,), bound).tolist()}
                for s, bound in ((0, 576**-0.5), (1, 0.02), (239, 1.0))
            ],
            "projection": {"matrix": 3, "gradientStream": 7, "count": 15, "values": projections(3, gradient).tolist()},
        },
    )


if __name__ == "__main__":
    main()
