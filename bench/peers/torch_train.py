"""LoRA training of SmolLM2 by PyTorch + PEFT, as a user of both would write it: the peer of `bench -- train`.

    python torch_train.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf [--threads 2] [--precision bf16|float32]
                          [--base bfloat16|float32] [--compile] [--tokens ROWS.json]

Rank 32, alpha 64 on q, k, v, o; 4 rows x 512 tokens a step, every token supervised; fused AdamW, clip 1.0. bf16 is
autocast; --base is the type in which the frozen weights are stored. A round (see protocol.py) is --steps steps and
answers { seconds, tokensPerSecond, loss, peakRssBytes }.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import peft
import torch
import transformers
from transformers import AutoModelForCausalLM

from protocol import hello, peak_rss_bytes, serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["bf16", "float32"], default="bf16")
    parser.add_argument("--base", choices=["bfloat16", "float32"], help="default: bfloat16 for bf16, else float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--tokens", type=Path, help="rows of token ids of one length, as JSON (default: 4 x 512 random ids)")
    parser.add_argument("--steps", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)

    started = time.perf_counter()
    autocast = arguments.precision == "bf16"
    base_type = getattr(torch, arguments.base or ("bfloat16" if autocast else "float32"))
    base = AutoModelForCausalLM.from_pretrained(arguments.gguf.parent, gguf_file=arguments.gguf.name, dtype=base_type)
    config = peft.LoraConfig(
        r=32, lora_alpha=64, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM"
    )
    model = peft.get_peft_model(base, config).train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
    if arguments.tokens is None:
        ids = torch.randint(0, base.config.vocab_size, (4, 512))
    else:
        ids = torch.tensor(json.loads(arguments.tokens.read_text()))
    forward = torch.compile(model) if arguments.compile else model
    load_seconds = time.perf_counter() - started

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            loss = forward(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return float(loss)

    started = time.perf_counter()
    first_loss = step()
    hello(
        "torch_train",
        transformers=transformers.__version__,
        peft=peft.__version__,
        precision=arguments.precision,
        base=str(base_type).removeprefix("torch."),
        compile=arguments.compile,
        loadSeconds=load_seconds,
        firstStepSeconds=time.perf_counter() - started,
        firstLoss=first_loss,
    )

    def work() -> dict:
        start = time.perf_counter()
        for _ in range(arguments.steps):
            loss = step()
        seconds = time.perf_counter() - start
        return {
            "seconds": seconds,
            "tokensPerSecond": arguments.steps * ids.numel() / seconds,
            "loss": loss,
            "peakRssBytes": peak_rss_bytes(),
        }

    serve(work)


if __name__ == "__main__":
    main()
