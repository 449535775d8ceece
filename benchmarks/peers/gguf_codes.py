"""What llama.cpp's quantizer makes of a model, in every type that `tokenlog compare --against` can judge. Run in the
environment of the newest llama.cpp (see README.md):

    python gguf_codes.py FOLDER OUT

FOLDER is a Hugging Face folder in bfloat16. OUT gets NAME.gguf for each type. Types that Tokenlog does not read (IQ) are
decoded by the PyPI package `gguf` and written again in F32, as NAME.decoded.gguf; `sizes.json` has the bytes of all
weights as llama.cpp stores them. Without an importance matrix, which llama.cpp's library takes as a C++ object: types
that cannot do without one are named and left out.
"""

import json
import sys
from pathlib import Path

import gguf
import llama_cpp

from models import bf16_gguf

TYPES = ["Q8_0", "Q6_K", "Q5_0", "Q5_K_S", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS", "Q3_K_S", "Q3_K_M",
         "IQ3_S", "IQ3_XXS", "Q2_K", "IQ2_S", "IQ2_XS", "IQ1_S", "TQ1_0", "TQ2_0"]
READ = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"}


def quantize(source, path, file_type):
    """Embedding and head as llama.cpp chooses them for the type."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = file_type
    status = llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), parameters)
    if status != 0:
        raise RuntimeError(f"llama_model_quantize: {status}")


def types_of(reader):
    """How many weights are stored in which type: llama.cpp falls back where rows are no whole blocks."""
    counts = {}
    for tensor in reader.tensors:
        name = tensor.tensor_type.name
        counts[name] = counts.get(name, 0) + int(tensor.n_elements)
    return counts


def copy_field(writer, field):
    """Copies one key of a GGUF file."""
    kind = field.types[0]
    if kind == gguf.GGUFValueType.ARRAY:
        writer.add_array(field.name, field.contents())
    else:
        writer.add_key_value(field.name, field.contents(), kind)


def decoded(reader, path):
    """Writes the same model with all its numbers in F32."""
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            copy_field(writer, field)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype("float32").reshape([int(n) for n in reversed(tensor.shape)]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    source = out / "source.gguf"
    if not source.exists():
        bf16_gguf(folder, source)
    sizes = {}
    for name in TYPES:
        path = out / f"{name}.gguf"
        try:
            quantize(source, path, getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name}"))
        except (RuntimeError, AttributeError) as failure:
            print(f"{name}: left out: {failure}")
            path.unlink(missing_ok=True)
            continue
        reader = gguf.GGUFReader(path)
        counts = types_of(reader)
        size = sum(int(tensor.n_bytes) for tensor in reader.tensors)
        elements = sum(counts.values())
        sizes[name] = {"bytes": size, "bits_per_weight": 8 * size / elements, "types": counts}
        print(f"{name}: {size} bytes, {8 * size / elements:.2f} bits per weight, {counts}")
        if not set(counts) <= READ:
            decoded(reader, out / f"{name}.decoded.gguf")
    (out / "sizes.json").write_text(json.dumps(sizes, indent=2) + "\n")


if __name__ == "__main__":
    main()
