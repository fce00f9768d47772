"""How the bench driver talks to a peer: one JSON line on standard output for each line on standard input.

The peer starts, loads, warms up and writes a hello line { hello, ... }. Then each line `round N` makes it do one round of
the work and answer { round: N, ... }; end of input ends it. So the driver can run ours and theirs in turns.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
from collections.abc import Callable


def peak_rss_bytes() -> int:
    """Highest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def answer(value: dict) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def hello(name: str, **facts: object) -> None:
    torch = sys.modules.get("torch")
    of_torch = {} if torch is None else {
        "torch": torch.__version__,
        "isa": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    answer({"hello": name, "python": platform.python_version(), **of_torch, **facts})


def serve(work: Callable[[], dict]) -> None:
    """Answers `round N` lines until the input ends."""
    for line in sys.stdin:
        words = line.split()
        if len(words) != 2 or words[0] != "round" or not words[1].isdigit():
            answer({"error": f"expected `round N`, got {line.strip()!r}"})
            continue
        answer({"round": int(words[1]), **work()})
