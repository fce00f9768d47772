"""What the `gguf` package makes of quantised blocks: bytes in, float32 out.

    .venv-goldens/bin/python scripts/goldens/dequantize.py

Writes lib/formats/goldens/dequantize.json { versions, types { dtype: { bytes, floats } } }, both little-endian in base64.
The blocks are random bytes with half-precision scales of every size, some subnormal, some negative.
"""

from __future__ import annotations

from base64 import b64encode
from importlib.metadata import version

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from common import REPOSITORY, write_json

BLOCKS = 4
# Where the half-precision numbers of a block lie, in bytes.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
SCALES = [0.0371, -1.25, 3e-6, 713.0, 1e-3, -2.2e-5, 0.5, 60000.0]


def blocks(name: str, rng: np.random.Generator) -> np.ndarray:
    size = GGML_QUANT_SIZES[GGMLQuantizationType[name]][1]
    data = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for i, row in enumerate(data):
        for j, at in enumerate(HALVES[name]):
            row[at : at + 2] = np.frombuffer(np.float16(SCALES[(2 * i + j) % len(SCALES)]).tobytes(), np.uint8)
    return data


def main() -> None:
    rng = np.random.default_rng(25)
    data = {name: blocks(name, rng) for name in HALVES}
    floats = np.concatenate([rng.standard_normal(28), [0.0, -0.0, 1e-7, np.inf]]).astype(np.float32)
    data["F16"] = floats.astype(np.float16).view(np.uint8)
    data["BF16"] = (floats.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    encode = lambda array: b64encode(array.tobytes()).decode()  # noqa: E731
    types = {
        name: {
            "bytes": encode(raw),
            "floats": encode(dequantize(raw, GGMLQuantizationType[name]).astype("<f4")),
        }
        for name, raw in data.items()
    }
    write_json(
        REPOSITORY / "lib/formats/goldens/dequantize.json",
        {"versions": {name: version(name) for name in ("gguf", "numpy")}, "types": types},
    )


if __name__ == "__main__":
    main()
