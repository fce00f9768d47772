"""mistral-common's Tekken: the peer of `bench -- tokenizer`.

    python mistral_tokenizer.py --tekken tekken.json --texts texts.json

A round makes the tokenizer anew and encodes every text of the JSON array twice. It answers { loadSeconds, firstSeconds,
againSeconds, tokens, sha256 }, the last of all ids as little-endian 32-bit integers.
"""

import argparse
import hashlib
import json
import time
from array import array
from pathlib import Path

import mistral_common
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from protocol import hello, peak_rss_bytes, serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tekken", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    arguments = parser.parse_args()
    texts = json.loads(arguments.texts.read_text(encoding="utf-8"))

    def encode(tokenizer: Tekkenizer) -> list[list[int]]:
        return [tokenizer.encode(text, bos=False, eos=False) for text in texts]

    def work() -> dict:
        started = time.perf_counter()
        tokenizer = Tekkenizer.from_file(arguments.tekken)
        loaded = time.perf_counter()
        first = encode(tokenizer)
        read = time.perf_counter()
        encode(tokenizer)
        again = time.perf_counter()
        ids = array("I", [one for text in first for one in text])
        return {
            "loadSeconds": loaded - started,
            "firstSeconds": read - loaded,
            "againSeconds": again - read,
            "tokens": len(ids),
            "sha256": hashlib.sha256(ids.tobytes()).hexdigest(),
        }

    hello("mistral_tokenizer", mistralCommon=mistral_common.__version__, peakRssBytes=peak_rss_bytes())
    serve(work)


if __name__ == "__main__":
    main()
