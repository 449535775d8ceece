"""Makes the models that are compared: one source in bfloat16, as a folder and as a GGUF file, and what llama.cpp's own
quantizer makes of it. Run in the environment of the newest llama.cpp:

    python models.py random SHAPE OUT     a folder with random weights of a shape
    python models.py gguf FOLDER OUT      model.bf16.gguf, model.q4_0.gguf, model.q8_0.gguf of a folder of the Llama family
"""

import json
import os
import sys
from pathlib import Path

import gguf
import numpy

SHAPES = json.loads(
    (Path(__file__).resolve().parents[2] / "engine/src/main/resources/dev/tokenlog/engine/architecture/shapes.json").read_text()
)


def tensors_of(config):
    """Name in the folder, name in GGUF, rows and columns (columns 0: a norm), in the order of the model."""
    hidden = config["hidden_size"]
    inner = config["intermediate_size"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    queries, keys = heads * head, config["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", "token_embd.weight", config["vocab_size"], hidden
    for i in range(config["num_hidden_layers"]):
        for theirs, ours, rows, columns in (
            ("input_layernorm", "attn_norm", hidden, 0),
            ("self_attn.q_proj", "attn_q", queries, hidden),
            ("self_attn.k_proj", "attn_k", keys, hidden),
            ("self_attn.v_proj", "attn_v", keys, hidden),
            ("self_attn.o_proj", "attn_output", hidden, queries),
            ("post_attention_layernorm", "ffn_norm", hidden, 0),
            ("mlp.gate_proj", "ffn_gate", inner, hidden),
            ("mlp.up_proj", "ffn_up", inner, hidden),
            ("mlp.down_proj", "ffn_down", hidden, inner),
        ):
            yield f"model.layers.{i}.{theirs}.weight", f"blk.{i}.{ours}.weight", rows, columns
    yield "model.norm.weight", "output_norm.weight", hidden, 0
    if not config.get("tie_word_embeddings"):
        yield "lm_head.weight", "output.weight", config["vocab_size"], hidden


def to_bf16(values):
    """Nearest bfloat16, as uint16; ties away from zero, which nobody measures."""
    return ((values.astype(numpy.float32).view(numpy.uint32) + 0x8000) >> 16).astype(numpy.uint16)


def random_folder(shape, out):
    config = dict(
        SHAPES[shape],
        model_type="llama",
        architectures=["LlamaForCausalLM"],
        hidden_act="silu",
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        bos_token_id=1,
        eos_token_id=2,
        torch_dtype="bfloat16",
    )
    generator = numpy.random.default_rng(1)
    pool = to_bf16(generator.standard_normal(1 << 26, dtype=numpy.float32) * 0.02)
    header, offset = {}, 0
    for name, _, rows, columns in tensors_of(config):
        size = 2 * rows * max(columns, 1)
        header[name] = {
            "dtype": "BF16",
            "shape": [rows, columns] if columns else [rows],
            "data_offsets": [offset, offset + size],
        }
        offset += size
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(out / "model.safetensors.part", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, _, rows, columns in tensors_of(config):
            left = rows * max(columns, 1)
            if not columns:
                file.write(numpy.full(rows, 0x3F80, numpy.uint16).tobytes())
                continue
            while left:
                begin = int(generator.integers(0, pool.size // 2))
                part = pool[begin : begin + min(left, pool.size // 2)]
                file.write(part.tobytes())
                left -= part.size
    os.replace(out / "model.safetensors.part", out / "model.safetensors")
    tokenizer(out, config["vocab_size"])
    (out / "README.md").write_text("Random weights.\n")  # Jlama's quantizer copies it
    (out / "config.json").write_text(json.dumps(config, indent=1))


def tokenizer(out, size):
    """A vocabulary of numbered tokens: Jlama opens no model without one, and nothing is tokenized."""
    tokens = {"<unk>": 0, "<s>": 1, "</s>": 2}
    tokens.update({f"t{i}": i for i in range(3, size)})
    (out / "tokenizer.json").write_text(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [
                    {"id": i, "content": text, "special": True, "single_word": False, "lstrip": False,
                     "rstrip": False, "normalized": False}
                    for i, text in enumerate(("<unk>", "<s>", "</s>"))
                ],
                "normalizer": None,
                "pre_tokenizer": None,
                "post_processor": None,
                "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
                "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": False,
                          "vocab": tokens, "merges": []},
            }
        )
    )
    (out / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "model_max_length": 4096,
                    "tokenizer_class": "LlamaTokenizer"})
    )


def read_bf16(folder):
    """A function from the name of a tensor to its elements as bfloat16 in uint16, whatever the folder has."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = numpy.memmap(path, numpy.uint8, "r")
        length = int(data[:8].view(numpy.uint64)[0])
        for name, entry in json.loads(bytes(data[8 : 8 + length])).items():
            if name != "__metadata__":
                found[name] = (data, 8 + length, entry)

    def read(name):
        data, base, entry = found[name]
        begin, end = entry["data_offsets"]
        raw = data[base + begin : base + end]
        kinds = {"BF16": numpy.uint16, "F16": numpy.float16, "F32": numpy.float32}
        values = raw.view(kinds[entry["dtype"]])
        return numpy.asarray(values) if entry["dtype"] == "BF16" else to_bf16(values)

    return read


def bf16_gguf(folder, path):
    config = json.loads((folder / "config.json").read_text())
    heads = config["num_attention_heads"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(folder.name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_tokenizer_model("no_vocab")
    read = read_bf16(folder)
    for theirs, ours, rows, columns in tensors_of(config):
        values = read(theirs)
        if not columns:
            writer.add_tensor(ours, (values.astype(numpy.uint32) << 16).view(numpy.float32))
            continue
        values = values.reshape(rows, columns)
        if "attn_q" in ours or "attn_k" in ours:
            # The architecture "llama" rotates neighbours, the folder's halves: rows change places.
            count = heads if "attn_q" in ours else config["num_key_value_heads"]
            values = values.reshape(count, 2, rows // count // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        values = numpy.ascontiguousarray(values)
        writer.add_tensor(ours, values.view(numpy.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(source, path, file_type, threads=0):
    """All matrices to one type, so that both sides meet the same bits."""
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = file_type
    parameters.pure = True
    parameters.nthread = threads or os.cpu_count()
    tensor_type = {llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0: 2, llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0: 8}[file_type]
    parameters.output_tensor_type = tensor_type
    parameters.token_embedding_type = tensor_type
    status = llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), parameters)
    if status != 0:
        raise RuntimeError(f"llama_model_quantize of {source}: {status}")


def gguf_files(folder, out):
    import llama_cpp

    out.mkdir(parents=True, exist_ok=True)
    source = out / "model.bf16.gguf"
    make(source, lambda path: bf16_gguf(folder, path))
    make(out / "model.q4_0.gguf", lambda path: quantize(source, path, llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0))
    make(out / "model.q8_0.gguf", lambda path: quantize(source, path, llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0))


def make(path, write):
    if path.exists():
        return
    print(f"making {path}", file=sys.stderr, flush=True)
    part = path.with_suffix(".part")
    write(part)
    os.replace(part, path)


def main():
    match sys.argv[1:]:
        case ["random", shape, out] if shape in SHAPES:
            if not (Path(out) / "config.json").exists():
                print(f"making {out}", file=sys.stderr, flush=True)
                random_folder(shape, Path(out))
        case ["gguf", folder, out]:
            gguf_files(Path(folder), Path(out))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
