"""GGUF files as llama.cpp's own quantizer writes them, and the logits of what they hold.

    python quantized.py LLAMA_CPP --out ../resources/gguf

`llama.q4_0.gguf` is the golden model `llama` (its head falls back to Q8_0, since its rows are no whole blocks of 256).
`llama-k.q4_k_m.gguf` is a random model with rows of 256: Q4_K and Q6_K. For both, the blocks are decoded by the PyPI
package `gguf`, the rows of query and key are put back, and transformers computes the logits of the decoded weights in
float64: NAME.reference.json, NAME.logits.npy. Made with llama-cpp-python 0.3.36; see generate.py for the rest.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np


def random_model(folder):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(20261121)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    for name, parameter in model.named_parameters():
        spread = 0.3 if "norm" in name else 0.08
        parameter.data = torch.randn_like(parameter) * spread + (1 if "norm" in name else 0)
    model.save_pretrained(folder)
    ids = torch.randint(3, 320, (24,)).tolist()
    (folder / "reference.json").write_text(json.dumps({"cases": [{"input_ids": ids}]}))


HUB = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}


def decoded(path, heads):
    import gguf
    import torch

    weights = {}
    for tensor in gguf.GGUFReader(path).tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        parts = tensor.name.split(".")
        layer = f"model.layers.{parts[1]}." if parts[0] == "blk" else ""
        role = parts[2] if layer else parts[0]
        if role in ("attn_q", "attn_k"):
            count = heads[role]
            values = values.reshape(count, -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)
        weights[f"{layer}{HUB[role]}.weight"] = torch.tensor(values)
    return weights


def make(folder, name, ftype, out):
    import llama_cpp
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    import generate

    with tempfile.TemporaryDirectory() as temporary:
        generate.convert(folder, "f32", Path(temporary))
        (plain,) = Path(temporary).glob("*.gguf")
        target = out / f"{name}.gguf"
        parameters = llama_cpp.llama_model_quantize_default_params()
        parameters.ftype = ftype
        assert llama_cpp.llama_model_quantize(str(plain).encode(), str(target).encode(), parameters) == 0
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).double()
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    model.load_state_dict(decoded(target, heads))
    ids = json.loads((folder / "reference.json").read_text())["cases"][0]["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].numpy()
        greedy = list(ids)
        for _ in range(8):
            greedy.append(int(model(torch.tensor([greedy])).logits[0, -1].argmax()))
    np.save(out / f"{name}.logits.npy", logits.astype(np.float32))
    case = {
        "input_ids": ids,
        "logits": f"{name}.logits.npy",
        "greedy_ids": greedy[len(ids) :],
        "std_of_logits": float(logits.std()),
    }
    (out / f"{name}.reference.json").write_text(json.dumps({"cases": [case]}) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("llama_cpp", type=Path)
    parser.add_argument("--golden", type=Path, default=Path(__file__).parents[1] / "resources/golden")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sys.path[:0] = [str(arguments.llama_cpp), str(arguments.llama_cpp / "gguf-py")]
    import llama_cpp

    make(arguments.golden / "llama", "llama.q4_0", llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0, arguments.out)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "llama-k"
        random_model(folder)
        make(folder, "llama-k.q4_k_m", llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, arguments.out)


if __name__ == "__main__":
    main()
