"""What the `gguf` package makes of float32: values in, bytes of quantised blocks out.

    .venv-goldens/bin/python scripts/goldens/quantize.py

Writes lib/formats/goldens/quantize.json { versions, floats, types { dtype: bytes } }, little-endian in base64. Among the
blocks are one of zeros, one of equal values, tiny and large ones, and one whose elements lie on the borders of Q8_0's codes.
"""

from __future__ import annotations

from base64 import b64encode
from importlib.metadata import version

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import quantize

from common import REPOSITORY, write_json

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def main() -> None:
    rng = np.random.default_rng(26)
    rows = [rng.standard_normal(32) * scale for scale in (0.02, 1, 3e-6, 900, 1e-9)]
    rows += [np.zeros(32), np.full(32, -0.7), np.full(32, 0.7), np.abs(rng.standard_normal(32))]
    rows += [np.concatenate([[127], np.arange(31) - 15.5])]
    floats = np.concatenate(rows).astype("<f4").reshape(len(rows), 32)
    encode = lambda array: b64encode(array.tobytes()).decode()  # noqa: E731
    types = {name: encode(quantize(floats, GGMLQuantizationType[name])) for name in TYPES}
    write_json(
        REPOSITORY / "lib/formats/goldens/quantize.json",
        {"versions": {name: version(name) for name in ("gguf", "numpy")}, "floats": encode(floats), "types": types},
    )


if __name__ == "__main__":
    main()
