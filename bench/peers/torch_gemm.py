"""Matrix products by PyTorch (oneDNN): the peer of `bench -- gemm`.

    python torch_gemm.py [--threads 2] [--dtype bfloat16|float32] [--shapes 1024x5120x4096 ...]

A shape M x K x N is y (M, N) = x (M, K) . W (N, K)^T, as a linear layer computes it. A round (see protocol.py) measures
every shape and answers { shapes: [{ shape, seconds, gflops }] }, seconds being the mean of the calls of that round.
"""

from __future__ import annotations

import argparse
import time

import torch

from protocol import hello, serve

# Devstral's and SmolLM2's layers.
SHAPES = ["1024x5120x4096", "2048x576x576", "2048x576x1536", "2048x1536x576"]
SECONDS_PER_SHAPE = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--shapes", nargs="+", default=SHAPES, metavar="MxKxN")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    operands = {}
    for shape in arguments.shapes:
        m, k, n = map(int, shape.split("x"))
        dtype = getattr(torch, arguments.dtype)
        operands[shape] = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype), 2 * m * k * n

    def measure(shape: str) -> dict:
        x, weight, operations = operands[shape]
        calls = 0
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < SECONDS_PER_SHAPE:
            torch.nn.functional.linear(x, weight)
            calls += 1
        seconds = elapsed / calls
        return {"shape": shape, "seconds": seconds, "gflops": operations / seconds / 1e9}

    with torch.inference_mode():
        for shape in arguments.shapes:
            measure(shape)
        hello("torch_gemm", dtype=arguments.dtype, onednn=torch.backends.mkldnn.is_available())
        serve(lambda: {"shapes": [measure(shape) for shape in arguments.shapes]})


if __name__ == "__main__":
    main()
