"""What the `gguf` package, and ggml itself for the K types, make of float32: values in, bytes of quantised blocks out.

    bash bench/peers/setup.sh llama
    .venv-goldens/bin/python scripts/goldens/quantize.py [--ggml libggml-base.so]

Writes lib/formats/goldens/quantize.json { versions, floats, types { dtype: bytes } }, little-endian in base64. Among the
blocks are one of zeros, one of equal values, tiny and large ones, and one whose elements lie on the borders of Q8_0's codes.

`gguf` has no K types. `floatsK`, `typesK` are the same of blocks of 256, and `digestsK` SHA-256 of the blocks of `COUNT`
elements u^3 / 8, where u is uniform(0x5000, e, 1) of hash_init.py. They come from the libggml-base of node-llama-cpp, whose
functions `quantize_row_*_ref` are called: the code without vectors, which is the same on every machine.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import quantize

from common import REPOSITORY, write_json
from hash_init import uniform

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
K_TYPES = {"Q4_K": 144, "Q5_K": 176, "Q6_K": 210}
COUNT = 256 * 500
GGML = REPOSITORY / "bench/peers/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so"


def quantize_k(library: ctypes.CDLL, name: str, floats: np.ndarray) -> bytes:
    out = ctypes.create_string_buffer(floats.size // 256 * K_TYPES[name])
    function = getattr(library, f"quantize_row_{name.lower().replace('_k', '_K')}_ref")
    function(floats.ctypes.data_as(ctypes.c_void_p), out, ctypes.c_int64(floats.size))
    return out.raw


def k_blocks() -> np.ndarray:
    """Blocks as weights are, and those at which a search goes another way: one sign, one value, few that are not zero."""
    rng = np.random.default_rng(27)
    rows = [rng.standard_normal(256) * scale for scale in (0.02, 3e-6, 900)]
    rows += [np.zeros(256), np.full(256, -0.7), np.abs(rng.standard_normal(256)), -np.abs(rng.standard_normal(256))]
    # Sub-blocks of every size, of which the smallest have no scale left.
    rows += [rng.standard_normal(256) * np.repeat(10.0 ** -np.arange(16), 16)]
    rows += [np.where(np.arange(256) % 37 == 5, rng.standard_normal(256), 0)]
    return np.concatenate(rows).astype("<f4").reshape(len(rows), 256)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ggml", type=Path, default=GGML)
    path = parser.parse_args().ggml
    library = ctypes.CDLL(str(path))
    llama = json.loads((path.parents[2] / "package.json").read_text())["version"]
    rng = np.random.default_rng(26)
    rows = [rng.standard_normal(32) * scale for scale in (0.02, 1, 3e-6, 900, 1e-9)]
    rows += [np.zeros(32), np.full(32, -0.7), np.full(32, 0.7), np.abs(rng.standard_normal(32))]
    rows += [np.concatenate([[127], np.arange(31) - 15.5])]
    floats = np.concatenate(rows).astype("<f4").reshape(len(rows), 32)
    encode = lambda array: b64encode(array.tobytes()).decode()  # noqa: E731
    blocks = k_blocks()
    unit = uniform(0x5000, (COUNT,), 1.0).double().numpy()
    many = (unit * unit * unit / 8).astype("<f4")
    types = {name: encode(quantize(floats, GGMLQuantizationType[name])) for name in TYPES}
    write_json(
        REPOSITORY / "lib/formats/goldens/quantize.json",
        {
            "versions": {name: version(name) for name in ("gguf", "numpy")} | {"node-llama-cpp": llama},
            "floats": encode(floats),
            "types": types,
            "floatsK": encode(blocks),
            "typesK": {name: b64encode(quantize_k(library, name, blocks)).decode() for name in K_TYPES},
            "digestsK": {name: hashlib.sha256(quantize_k(library, name, many)).hexdigest() for name in K_TYPES},
        },
    )


if __name__ == "__main__":
    main()
