"""The operations around the matrix products by PyTorch: the peer of `bench -- kernels`.

    python torch_kernels.py [--threads 2] [--dtype bfloat16|float32]

At SmolLM2's training shapes (4 rows x 512 tokens). A round (see protocol.py) measures every kernel and answers
{ kernels: [{ name, seconds }] }, seconds being the mean of the calls of that round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy, linear, rms_norm, scaled_dot_product_attention, silu

from protocol import hello, serve

ROWS, LENGTH, HIDDEN, INTERMEDIATE, VOCABULARY = 4, 512, 576, 1536, 49152
HEADS, KV_HEADS, HEAD_DIM = 9, 3, 64
ADAM_ELEMENTS = 3_686_400  # rank 32 on q, k, v, o of SmolLM2's 30 layers
SECONDS_PER_KERNEL = 0.5


def kernels(dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    tokens = ROWS * LENGTH
    q = torch.randn(ROWS, HEADS, LENGTH, HEAD_DIM).to(dtype).requires_grad_()
    k, v = (torch.randn(ROWS, KV_HEADS, LENGTH, HEAD_DIM).to(dtype).requires_grad_() for _ in range(2))
    x = torch.randn(tokens, HIDDEN).to(dtype)
    gain = torch.ones(HIDDEN, dtype=dtype)
    gate, up = (torch.randn(tokens, INTERMEDIATE).to(dtype) for _ in range(2))
    hidden = torch.randn(tokens, HIDDEN).to(dtype).requires_grad_()
    head = (torch.randn(VOCABULARY, HIDDEN) * 0.02).to(dtype)
    labels = torch.randint(0, VOCABULARY, (tokens,))
    parameter = torch.nn.Parameter(torch.randn(ADAM_ELEMENTS))
    parameter.grad = torch.randn(ADAM_ELEMENTS)
    adam = torch.optim.AdamW([parameter], lr=1e-5, fused=True)

    def attention() -> torch.Tensor:
        return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    def without_gradient(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return torch.no_grad()(function)

    return {
        "attention_forward": without_gradient(attention),
        "attention_forward_backward": lambda: attention().float().sum().backward(),
        "rmsnorm": without_gradient(lambda: rms_norm(x, (HIDDEN,), gain, 1e-5)),
        "swiglu": without_gradient(lambda: silu(gate) * up),
        "linear_cross_entropy_backward": lambda: cross_entropy(linear(hidden, head).float(), labels).backward(),
        "adamw": adam.step,
    }


def measure(function: Callable[[], object]) -> float:
    calls = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS_PER_KERNEL:
        function()
        calls += 1
    return elapsed / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    table = kernels(getattr(torch, arguments.dtype))
    for function in table.values():
        function()
    hello("torch_kernels", dtype=arguments.dtype, tokens=ROWS * LENGTH)
    serve(lambda: {"kernels": [{"name": name, "seconds": measure(function)} for name, function in table.items()]})


if __name__ == "__main__":
    main()
