"""A copy of a GGUF with all tensors in float32, widened by the gguf package's own code (scripts/goldens/requirements.txt).

    .venv-goldens/bin/python bench/peers/gguf_f32.py FILE.gguf COPY.gguf
"""

from __future__ import annotations

import sys

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: gguf_f32.py FILE.gguf COPY.gguf")
    source, copy = sys.argv[1:]
    reader = GGUFReader(source)
    writer = GGUFWriter(copy, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        writer.add_key_value(
            field.name, field.contents(), kind, sub_type=field.types[-1] if kind == GGUFValueType.ARRAY else None
        )
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype="<f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
