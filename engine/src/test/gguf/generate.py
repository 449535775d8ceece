"""Small GGUF files of the golden models, written by llama.cpp's own converter, so that its conventions (names, keys,
the order of rows, norms with their 1) are its own and not ours.

    python generate.py LLAMA_CPP GOLDEN_FOLDER... --out ../resources/gguf

LLAMA_CPP is a source tree of llama.cpp with convert_hf_to_gguf.py; GOLDEN_FOLDER a folder of ../resources/golden. The
logits of the folder's reference.json are those of the file: its numbers are the folder's. Made with the tree in
llama-cpp-python 0.3.36, gguf 0.19.0, transformers 5.23.0, torch 2.15.0, sentencepiece.

What GGUF cannot say is changed in the folder first (ALTERED), and what llama.cpp reads but its converter does not write
is added (KEYS). Those models, and the BF16 ones whose golden logits were made with rounded rotary frequencies, get
logits of their own: NAME.reference.json and NAME.logits.npy, from transformers on the weights widened to float64.

The golden models have no tokenizer; the converter wants one, so a tiny SentencePiece model is trained for each size.
Type of the matrices: that of the folder, or after a colon: FOLDER:q8_0.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

# Few letters, so that a vocabulary of 288 has room for them beside 256 bytes.
TEXT = ["the rain is a line on the shore", "a rose is a rose is a rose", "the sea lets one list its rest"] * 20

# llama.cpp takes the scale of scores from the head size, and rotates no positions in each fourth layer of SmolLM3.
ALTERED = {
    "gemma2": {"query_pre_attn_scalar": 32},
    "gemma3-text": {"query_pre_attn_scalar": 16},
    "smollm3": {"no_rope_layers": [1, 1, 1, 0], "no_rope_layer_interval": 4},
    "gemma": {},
    "llama-3.2": {},
    "qwen2": {},
}

KEYS = {
    "gemma3-text": [
        ("add_uint32", "gemma3.attention.sliding_window_pattern", 3),
        ("add_float32", "gemma3.rope.freq_base_swa", 1000.0),
        ("add_string", "gemma3.rope.scaling.type", "linear"),
        ("add_float32", "gemma3.rope.scaling.factor", 8.0),
    ],
}


def reference(golden, folder, out):
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").double()
    model.eval()
    ids = json.loads((golden / "reference.json").read_text())["cases"][0]["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].numpy()
        greedy, margins = list(ids), []
        for _ in range(12):
            best = model(torch.tensor([greedy])).logits[0, -1].sort(descending=True)
            margins.append(float(best.values[0] - best.values[1]))
            greedy.append(int(best.indices[0]))
    np.save(out / f"{golden.name}.logits.npy", logits.astype(np.float32))
    case = {
        "input_ids": ids,
        "logits": f"{golden.name}.logits.npy",
        "greedy_ids": greedy[len(ids) :],
        "smallest_top_margin": min(margins),
        "std_of_logits": float(logits.std()),
    }
    (out / f"{golden.name}.reference.json").write_text(json.dumps({"cases": [case]}) + "\n")


def tokenizer(folder, vocabulary):
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=vocabulary,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        hard_vocab_limit=True,
        num_threads=1,
        pad_id=-1,
        minloglevel=2,
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "LlamaTokenizer",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "chat_template": "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}",
            }
        )
    )


def convert(golden, outtype, out):
    import convert_hf_to_gguf
    from conversion.base import TextModel

    # Families whose tokenizers are byte-level on the hub get the SentencePiece model like all others.
    TextModel.set_vocab = TextModel._set_vocab_sentencepiece
    for kind in TextModel.__subclasses__():
        if kind.__name__ in ("Phi3MiniModel",):
            kind.set_vocab = TextModel._set_vocab_sentencepiece
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / golden.name
        shutil.copytree(golden, folder)
        config = json.loads((folder / "config.json").read_text())
        if golden.name in ALTERED:
            config.update(ALTERED[golden.name])
            (folder / "config.json").write_text(json.dumps(config))
            reference(golden, folder, out)
        tokenizer(folder, config["vocab_size"])
        if outtype is None:
            outtype = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}[
                config.get("torch_dtype", config.get("dtype"))
            ]
        target = out / f"{golden.name}.{outtype}.gguf"
        writer = convert_hf_to_gguf.gguf.GGUFWriter
        header = writer.write_header_to_file

        def with_keys(self, path=None):
            for method, key, value in KEYS.get(golden.name, []):
                if key not in self.kv_data[0]:
                    getattr(self, method)(key, value)
            header(self, path)

        writer.write_header_to_file = with_keys
        sys.argv = ["convert", str(folder), "--outtype", outtype, "--outfile", str(target)]
        convert_hf_to_gguf.main()
        writer.write_header_to_file = header


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("llama_cpp", type=Path)
    parser.add_argument("golden", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sys.path[:0] = [str(arguments.llama_cpp), str(arguments.llama_cpp / "gguf-py")]
    for each in arguments.golden:
        folder, _, outtype = each.partition(":")
        convert(Path(folder), outtype or None, arguments.out)


if __name__ == "__main__":
    main()
