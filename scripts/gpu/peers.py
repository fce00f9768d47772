"""What the kernels of others take for the shapes that scripts/gpu/run.sh measures: cuBLAS through torch.matmul, PyTorch's
scaled_dot_product_attention on each of its backends, and FlashAttention where the package flash_attn is installed.

    python3 scripts/gpu/peers.py [--device cuda|cpu] [--small] [--seconds 0.2] [--budget 40]

Prints one JSON object { torch, cuda, device, cases: [{ op, part, shape, peer, seconds, gflops }] }. A case that a peer cannot
run, or for which no time was left, holds `error` in place of times. bf16 throughout; seconds are the median call, by CUDA events on a GPU.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy, linear, scaled_dot_product_attention, silu


@dataclass(frozen=True)
class Model:
    """Devstral Small's layers, as native/tools/decoder_step.h has them."""

    hidden: int = 5120
    heads: int = 32
    kv_heads: int = 8
    head_dim: int = 128
    intermediate: int = 32768
    vocabulary: int = 131072
    rank: int = 32
    lengths: tuple[int, ...] = (4096, 8192)


SMALL = Model(64, 4, 2, 16, 96, 160, 4, (48,))


class Timer:
    """Median seconds of a call, after some that warm up."""

    def __init__(self, device: str, seconds: float) -> None:
        self.device, self.seconds = device, seconds

    def once(self, work: Callable[[], object]) -> float:
        if self.device == "cpu":
            start = time.perf_counter()
            work()
            return time.perf_counter() - start
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    def __call__(self, work: Callable[[], object]) -> float:
        for _ in range(3):
            self.once(work)
        times: list[float] = []
        start = time.perf_counter()
        while len(times) < 5 or (time.perf_counter() - start < self.seconds and len(times) < 1000):
            times.append(self.once(work))
        return statistics.median(times)


class Report:
    def __init__(self, timer: Timer, deadline: float) -> None:
        self.timer, self.deadline, self.cases = timer, deadline, []

    def add(self, op: str, part: str, shape: str, peer: str, flop: float, make: Callable[[], Callable[[], object]]) -> None:
        case: dict = {"op": op, "part": part, "shape": shape, "peer": peer}
        try:
            if time.perf_counter() > self.deadline:
                raise TimeoutError("no time left")
            seconds = self.timer(make())
            case |= {"seconds": seconds, "gflops": flop / seconds / 1e9}
        except Exception as error:  # a peer that lacks this, or memory that ran out: the others go on
            case["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        self.cases.append(case)


def backward_of(make_output: Callable[[], torch.Tensor], inputs: tuple[torch.Tensor, ...]) -> Callable[[], object]:
    """Only the way back: the graph is made once and kept."""
    output = make_output()
    gradient = torch.randn_like(output)
    return lambda: torch.autograd.grad(output, inputs, gradient, retain_graph=True)


def add_linears(report: Report, model: Model, device: str) -> None:
    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(*shape, device=device, dtype=torch.bfloat16) * scale

    tokens, heads = model.lengths[0], model.heads * model.head_dim
    qkv = (model.heads + 2 * model.kv_heads) * model.head_dim
    sizes = {
        "qkv": (qkv, model.hidden),
        "o": (model.hidden, heads),
        "gate-up": (2 * model.intermediate, model.hidden),
        "down": (model.hidden, model.intermediate),
    }
    for part, (n, k) in sizes.items():
        shape, flop = f"{tokens} x {k} x {n}", 2.0 * tokens * n * k

        def forward(n: int = n, k: int = k) -> Callable[[], object]:
            x, weight = normal(tokens, k), normal(n, k, scale=1 / math.sqrt(k))
            return lambda: torch.matmul(x, weight.t())

        def back(n: int = n, k: int = k) -> Callable[[], object]:
            dy, weight = normal(tokens, n), normal(n, k, scale=1 / math.sqrt(k))
            return lambda: torch.matmul(dy, weight)

        def lora(n: int = n, k: int = k) -> Callable[[], object]:
            x, weight = normal(tokens, k), normal(n, k, scale=1 / math.sqrt(k))
            a, b = normal(model.rank, k, scale=0.02), normal(n, model.rank, scale=0.02)
            return lambda: linear(x, weight) + 2 * linear(linear(x, a), b)

        report.add("loraLinearForward", part, shape, "torch.matmul, base alone", flop, forward)
        report.add("loraLinearBackward", part, shape, "torch.matmul, dx of the base alone", flop, back)
        if part in ("qkv", "o"):
            more = 2.0 * tokens * model.rank * (n + k)
            report.add("loraLinearForward", part, f"{shape}, rank {model.rank}", "torch, eager", flop + more, lora)

    def loss() -> Callable[[], object]:
        x = normal(tokens, model.hidden).requires_grad_()
        weight = normal(model.vocabulary, model.hidden, scale=1 / math.sqrt(model.hidden))
        targets = torch.randint(0, model.vocabulary, (tokens,), device=device)
        return lambda: torch.autograd.grad(cross_entropy(linear(x, weight).float(), targets), x)

    report.add(
        "linearCrossEntropy",
        "",
        f"{tokens} x {model.hidden} x {model.vocabulary}",
        "torch, eager",
        4.0 * tokens * model.hidden * model.vocabulary,
        loss,
    )


def add_attention(report: Report, model: Model, device: str) -> None:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def operands(length: int, dimensions: str) -> tuple[torch.Tensor, ...]:
        def make(heads: int) -> torch.Tensor:
            shape = (1, heads, length, model.head_dim) if dimensions == "bhld" else (1, length, heads, model.head_dim)
            return torch.randn(*shape, device=device, dtype=torch.bfloat16, requires_grad=True)

        return make(model.heads), make(model.kv_heads), make(model.kv_heads)

    backends = {"MATH": SDPBackend.MATH} if device == "cpu" else {
        "FLASH_ATTENTION": SDPBackend.FLASH_ATTENTION,
        "CUDNN_ATTENTION": getattr(SDPBackend, "CUDNN_ATTENTION", SDPBackend.FLASH_ATTENTION),
        "EFFICIENT_ATTENTION": SDPBackend.EFFICIENT_ATTENTION,
    }
    for length in model.lengths:
        # Causal: half of the scores.
        flop = 4 * 0.5 * length * length * model.heads * model.head_dim
        shape = f"1 x {length}, {model.heads} heads over {model.kv_heads} of {model.head_dim}, causal"
        for name, backend in backends.items():

            def call(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, backend=backend) -> torch.Tensor:
                with sdpa_kernel(backend):
                    return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

            def forward(length: int = length, call=call) -> Callable[[], object]:
                q, k, v = operands(length, "bhld")
                return torch.no_grad()(lambda: call(q, k, v))

            def back(length: int = length, call=call) -> Callable[[], object]:
                inputs = operands(length, "bhld")
                return backward_of(lambda: call(*inputs), inputs)

            report.add("attentionForward", "", shape, f"SDPA {name}", flop, forward)
            report.add("attentionBackward", "", shape, f"SDPA {name}", 2.5 * flop, back)
        if device == "cpu":
            continue

        def flash(length: int = length) -> tuple[Callable[[], torch.Tensor], tuple[torch.Tensor, ...]]:
            from flash_attn import flash_attn_func

            inputs = operands(length, "blhd")
            return lambda: flash_attn_func(*inputs, causal=True), inputs

        report.add("attentionForward", "", shape, "flash_attn", flop, lambda flash=flash: torch.no_grad()(flash()[0]))
        report.add("attentionBackward", "", shape, "flash_attn", 2.5 * flop, lambda flash=flash: backward_of(*flash()))


def add_rowwise(report: Report, model: Model, device: str) -> None:
    """Ops that only move values; in place of GFLOP/s what counts is the copy beside them."""
    tokens = model.lengths[0]

    def copy() -> Callable[[], object]:
        source = torch.randn(tokens, 2 * model.intermediate, device=device, dtype=torch.bfloat16)
        target = torch.empty_like(source)
        return lambda: target.copy_(source)

    def swiglu() -> Callable[[], object]:
        both = torch.randn(tokens, 2 * model.intermediate, device=device, dtype=torch.bfloat16)
        gate, up = both.chunk(2, dim=1)
        return lambda: silu(gate) * up

    shape = f"{tokens} x {2 * model.intermediate}"
    report.add("copy", "", shape, "torch.Tensor.copy_", 0, copy)
    report.add("swigluForward", "", shape, "torch, eager", 5.0 * tokens * model.intermediate, swiglu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seconds", type=float, default=0.2, help="of measuring a case")
    parser.add_argument("--budget", type=float, default=40, help="seconds after which no case begins")
    arguments = parser.parse_args()
    deadline = time.perf_counter() + arguments.budget
    device = arguments.device
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device")
    if device == "cpu":
        torch.set_num_threads(1)  # only a trial of this script, perhaps beside others' work
    torch.manual_seed(0)
    model = SMALL if arguments.small else Model()
    report = Report(Timer(device, arguments.seconds), deadline)
    add_linears(report, model, device)
    add_attention(report, model, device)
    add_rowwise(report, model, device)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    facts = {"torch": torch.__version__, "cuda": torch.version.cuda, "device": name}
    print(json.dumps({**facts, "cases": report.cases}, indent=1))


if __name__ == "__main__":
    main()
