"""SmolLM2's tokenizer in transformers: ids of 2,000 strings, what they decode to, and a conversation.

    .venv-goldens/bin/python scripts/goldens/tokenizer.py SmolLM2-135M-Instruct.Q4_1.gguf

The vocabulary, the merges and the chat template come from the GGUF. How text is cut before the merges comes from the
model's own tokenizer.json on the hub (each number by itself, then byte level), because transformers' reader of GGUF files
leaves the first half out; the script prints on how many strings that makes a difference.

Writes lib/models/goldens/tokenizer-smollm2.json { versions, strings, ids (one list a string), lossy { index: text },
chat { messages, text, ids } }. `lossy` has what a string decodes to where the vocabulary lacks one of its bytes.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from common import MODEL_GOLDENS, write_json
from tokenizer_strings import strings

CONTROL = 3


def hub_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    fields = {name: field.contents() for name, field in GGUFReader(path).fields.items() if name.startswith("tokenizer.")}
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    backend.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    )
    result = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=tokens[fields["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[fields["tokenizer.ggml.eos_token_id"]],
        clean_up_tokenization_spaces=False,
    )
    result.chat_template = fields["tokenizer.chat_template"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    path = parser.parse_args().gguf
    tokenizer = hub_tokenizer(path)
    texts = strings(2000)
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    decoded = [tokenizer.decode(row) for row in ids]
    lossy = {str(i): back for i, (text, back) in enumerate(zip(texts, decoded, strict=True)) if back != text}
    messages = [
        {"role": "user", "content": "Total price by category?\n"},
        {"role": "assistant", "content": "df.group_by('category').agg(total=_.price.sum())"},
        {"role": "user", "content": "As SQL, please."},
    ]
    chat_text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    write_json(
        MODEL_GOLDENS / "tokenizer-smollm2.json",
        {
            "versions": {name: version(name) for name in ("transformers", "tokenizers")},
            "strings": texts,
            "ids": ids,
            "lossy": lossy,
            "chat": {
                "messages": messages,
                "text": chat_text,
                "ids": tokenizer.encode(chat_text, add_special_tokens=False),
            },
        },
    )
    from_gguf = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    differing = sum(
        row != from_gguf.encode(text, add_special_tokens=False) for text, row in zip(texts, ids, strict=True)
    )
    print(f"{sum(map(len, ids))} tokens, {len(lossy)} strings with bytes that the vocabulary lacks")
    print(f"{differing} strings get other ids from transformers' GGUF reader, which does not split numbers")


if __name__ == "__main__":
    main()
