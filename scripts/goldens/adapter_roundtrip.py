"""Does an adapter that ibert wrote load in PEFT, and with what logits?

    # A golden for the tests: PEFT's logits of an adapter written by ibert, stored beside it.
    .venv-goldens/bin/python scripts/goldens/adapter_roundtrip.py lib/models/goldens/tiny-llama ADAPTER_FOLDER
    # The stored file still says what PEFT says (exit status 1 and the distance if not).
    .venv-goldens/bin/python scripts/goldens/adapter_roundtrip.py lib/models/goldens/tiny-llama ADAPTER_FOLDER --check
    # Any base, own token ids; the result on standard output.
    .venv-goldens/bin/python scripts/goldens/adapter_roundtrip.py model.gguf ADAPTER_FOLDER --ids '[[1, 2, 3]]' --print

The base is a Hugging Face folder or a GGUF file. Rows come from --ids or from the base folder's batch.json. The load is
strict: a tensor that PEFT misses or does not know is an error here, where PEFT itself only warns. Writes
ADAPTER_FOLDER/peft-logits.json { versions, rows [{ ids, logits (T x V) }] }, float64 for a float32 base of less than a
million parameters and float32 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from common import lora_parameters, nmse, versions, write_json

SMALL = 1_000_000
SAME = 1e-12


def load_base(path: Path) -> torch.nn.Module:
    where = {"pretrained_model_name_or_path": path}
    if path.suffix == ".gguf":
        where = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    return model.double() if model.num_parameters() < SMALL else model


def load_adapter(base: torch.nn.Module, folder: Path) -> PeftModel:
    dtype = next(base.parameters()).dtype
    model = PeftModel.from_pretrained(base, folder).to(dtype).eval()
    expected = set(lora_parameters(model))
    with safe_open(folder / "adapter_model.safetensors", "pt") as stored:
        names = set(stored.keys())
        wrong = [f"missing {name}" for name in sorted(expected - names)]
        wrong += [f"unexpected {name}" for name in sorted(names - expected)]
        for name, parameter in lora_parameters(model).items():
            if name in names and not torch.equal(stored.get_tensor(name).to(dtype), parameter):
                wrong.append(f"{name}: the loaded values are not the stored ones")
    if wrong:
        raise SystemExit(f"{folder}: " + "; ".join(wrong))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--ids", type=json.loads, help="rows of token ids as JSON, in place of the base's batch.json")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare with the stored file, write nothing")
    action.add_argument("--print", action="store_true", help="print the JSON, write nothing")
    arguments = parser.parse_args()

    rows = arguments.ids or [row["ids"] for row in json.loads((arguments.base / "batch.json").read_text())["rows"]]
    model = load_adapter(load_base(arguments.base), arguments.adapter)
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([ids]), use_cache=False).logits[0] for ids in rows]
    result = {
        "versions": versions(),
        "rows": [{"ids": ids, "logits": values.tolist()} for ids, values in zip(rows, logits, strict=True)],
    }
    stored_path = arguments.adapter / "peft-logits.json"
    if arguments.print:
        json.dump(result, sys.stdout)
    elif arguments.check:
        stored = json.loads(stored_path.read_text())["rows"]
        if [row["ids"] for row in stored] != rows:
            raise SystemExit(f"{stored_path} was made for other token ids")
        distance = nmse(torch.cat([torch.tensor(row["logits"], dtype=torch.float64) for row in stored]), torch.cat(logits))
        print(f"logits NMSE against {stored_path}: {distance:.3g}")
        raise SystemExit(0 if distance <= SAME else 1)
    else:
        write_json(stored_path, result)


if __name__ == "__main__":
    main()
