"""From nothing to a model that could answer, by transformers + PEFT: the peer of `bench -- startup`.

    python torch_startup.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf [--adapter FOLDER] [--threads 2]

Each run is one process and prints one JSON line { importSeconds, loadSeconds, firstTokenSeconds, peakRssBytes, ... },
seconds since the interpreter ran this file's first line (the interpreter's own start is the driver's to measure).
"""

import time

STARTED = time.perf_counter()

import argparse
from pathlib import Path

import peft
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from protocol import hello, peak_rss_bytes

IMPORTED = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.disable_progress_bar()

    where = {"pretrained_model_name_or_path": arguments.gguf.parent, "gguf_file": arguments.gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    if arguments.adapter is not None:
        model = peft.PeftModel.from_pretrained(model, arguments.adapter)
    loaded = time.perf_counter()
    prompt = tokenizer("SELECT city, COUNT(*) FROM orders", return_tensors="pt")
    model.generate(**prompt, max_new_tokens=1, do_sample=False)
    hello(
        "torch_startup",
        transformers=transformers.__version__,
        peft=peft.__version__,
        importSeconds=IMPORTED - STARTED,
        loadSeconds=loaded - IMPORTED,
        firstTokenSeconds=time.perf_counter() - loaded,
        peakRssBytes=peak_rss_bytes(),
    )


if __name__ == "__main__":
    main()
