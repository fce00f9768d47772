"""A small Tekken tokenizer in mistral-common: ids of strings, and conversations in the instruct format.

    .venv-goldens/bin/python scripts/goldens/tekken.py

The vocabulary is trained here, on the strings of the tokenizer golden, with tiktoken's own trainer and the pattern of
Mistral's files, so that the golden is small and holds nobody's vocabulary. Conversations are encoded in two versions of the
format, because the system prompt got tokens of its own in version 7.

Writes lib/models/goldens/tekken/tekken.json (version 7) and expected.json { versions, strings, ids, chats [{ version,
messages, ids }] }.
"""

from __future__ import annotations

import argparse
import json
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import mistral_common
import tiktoken._educational as trainer
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from common import MODEL_GOLDENS, write_json
from texts import CODE, PROSE, QUESTION
from tokenizer_strings import strings

RANKS = 900
SPECIALS = 32
FOLDER = MODEL_GOLDENS / "tekken"
MESSAGES = {"system": SystemMessage, "user": UserMessage, "assistant": AssistantMessage}
CHATS = [
    [("user", "Total price by category?\n")],
    [("system", "Answer with Ibis."), ("user", "Count the rows."), ("assistant", "t.count()"), ("user", " As SQL [INST]?")],
]


def train(pattern: str) -> list[bytes]:
    text = "\n".join([CODE, PROSE, QUESTION, *strings(400)])
    ranks = trainer.bpe_train(data=text, vocab_size=RANKS, pat_str=pattern, visualise=None)
    return sorted(ranks, key=ranks.__getitem__)


def tekken_file(pattern: str, tokens: list[bytes]) -> dict:
    return {
        "config": {
            "pattern": pattern,
            "num_vocab_tokens": len(tokens),
            "default_vocab_size": len(tokens) + SPECIALS,
            "default_num_special_tokens": SPECIALS,
            "version": "v7",
        },
        "vocab": [
            {"rank": rank, "token_bytes": b64encode(token).decode(), "token_str": None} for rank, token in enumerate(tokens)
        ],
    }


def encode(tokenizer: Tekkenizer, texts: list[str]) -> list[list[int]]:
    ids = [tokenizer.encode(text, bos=False, eos=False) for text in texts]
    for text, row in zip(texts, ids, strict=True):
        if tokenizer.decode(row) != text:
            raise SystemExit(f"mistral-common does not give {text!r} back")
    return ids


def chat_ids(file: dict, file_version: str, messages: list[tuple[str, str]]) -> list[int]:
    request = ChatCompletionRequest(messages=[MESSAGES[role](content=content) for role, content in messages])
    with TemporaryDirectory() as folder:
        path = Path(folder, "tekken.json")
        path.write_text(json.dumps({**file, "config": {**file["config"], "version": file_version}}))
        return MistralTokenizer.from_file(path).encode_chat_completion(request).tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", type=Path, help="write ids of Mistral's own file to this path, for a check by hand")
    arguments = parser.parse_args()
    full = Path(mistral_common.__file__).parent / "data/tekken_240911.json"
    texts = strings(2000)
    if arguments.full is not None:
        ids = encode(Tekkenizer.from_file(full), texts)
        arguments.full.write_text(json.dumps({"file": str(full), "strings": texts, "ids": ids}))
        return
    pattern = json.loads(full.read_text())["config"]["pattern"]
    file = tekken_file(pattern, train(pattern))
    write_json(FOLDER / "tekken.json", file)
    some = texts[:400]
    write_json(
        FOLDER / "expected.json",
        {
            "versions": {name: version(name) for name in ("mistral_common", "tiktoken")},
            "strings": some,
            "ids": encode(Tekkenizer.from_file(FOLDER / "tekken.json"), some),
            "chats": [
                {
                    "version": file_version,
                    "messages": [{"role": role, "content": content} for role, content in messages],
                    "ids": chat_ids(file, file_version, messages),
                }
                for file_version in ("v3", "v7")
                for messages in CHATS
            ],
        },
    )


if __name__ == "__main__":
    main()
