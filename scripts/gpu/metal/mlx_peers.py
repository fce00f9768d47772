"""What MLX takes for the products of mps_peers.mm and for attention, on this Mac.

Prints one JSON object { mlx, cases: [{ peer, op, dtype, shape, seconds, gflops }] }; seconds are the median call, waited for.
"""

from __future__ import annotations

import importlib.metadata
import json
import statistics
import time
from collections.abc import Callable

import mlx.core as mx

# y (T, N) = x (T, K) W (N, K)^T
PRODUCTS = [(1, 5120, 4096), (512, 5120, 4096), (2048, 4096, 5120), (2048, 576, 576), (2048, 1536, 576), (2048, 49152, 576)]
# heads, heads of keys and values, tokens, width of a head
ATTENTION = [(32, 8, 2048, 128), (9, 3, 2048, 64)]
CALLS = 15


def seconds_of(call: Callable[[], mx.array]) -> float:
    mx.eval(call())
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        mx.eval(call())
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def case(op: str, dtype: str, shape: tuple[int, ...], flop: float, call: Callable[[], mx.array]) -> dict[str, object]:
    seconds = seconds_of(call)
    return {"peer": "MLX", "op": op, "dtype": dtype, "shape": shape, "seconds": seconds, "gflops": flop / seconds / 1e9}


def main() -> None:
    cases = []
    for name, dtype in (("f16", mx.float16), ("bf16", mx.bfloat16)):
        for shape in PRODUCTS:
            rows, columns, inner = shape
            x, weight = (mx.random.normal(size).astype(dtype) for size in ((rows, inner), (columns, inner)))
            mx.eval(x, weight)
            cases.append(case("matmul", name, shape, 2.0 * rows * columns * inner, lambda x=x, weight=weight: x @ weight.T))
        for shape in ATTENTION:
            heads, kv_heads, tokens, width = shape
            q, k, v = (mx.random.normal((1, n, tokens, width)).astype(dtype) for n in (heads, kv_heads, kv_heads))
            mx.eval(q, k, v)
            # Half of the scores are left out.
            flop = 2.0 * heads * tokens * tokens * width
            cases.append(
                case(
                    "attention",
                    name,
                    shape,
                    flop,
                    lambda q=q, k=k, v=v: mx.fast.scaled_dot_product_attention(
                        q, k, v, scale=q.shape[-1] ** -0.5, mask="causal"
                    ),
                )
            )
    print(json.dumps({"mlx": importlib.metadata.version("mlx"), "cases": cases}))


main()
