"""Makes the folders of engine/src/test/resources/quantized: tiny Llamas whose weights other programs have quantized.

    python generate.py AUTO_GPTQ AUTO_AWQ

AUTO_GPTQ and AUTO_AWQ are the unpacked packages auto-gptq 0.7.1 and autoawq 0.2.9 from PyPI, of which one file each is
used; transformers, torch and compressed-tensors are installed. Beside config.json and model.safetensors, expected.json
holds the SHA-256 of each decoded matrix as that program decodes it: little-endian, in the named type.
"""

import hashlib
import importlib.util
import json
import pathlib
import shutil
import sys

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "resources" / "quantized"
HIDDEN, INNER, VOCABULARY = 128, 192, 32

LAYER = "model.layers.0."
MATRICES = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN // 2, HIDDEN),
    "self_attn.v_proj": (HIDDEN // 2, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}


def module(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def config(quantization):
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        "rope_theta": 10000.0,
        "torch_dtype": "float16",
        "quantization_config": quantization,
    }


def floats(generator):
    """What stays float in every folder."""
    normal = lambda *shape: (torch.randn(*shape, generator=generator) * 0.05).half()
    return {
        "model.embed_tokens.weight": normal(VOCABULARY, HIDDEN),
        "lm_head.weight": normal(VOCABULARY, HIDDEN),
        "model.norm.weight": 1 + normal(HIDDEN),
        LAYER + "input_layernorm.weight": 1 + normal(HIDDEN),
        LAYER + "post_attention_layernorm.weight": 1 + normal(HIDDEN),
    }


def digest(tensor):
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    data = tensor.contiguous().view(torch.uint8).numpy().tobytes()
    return {"dtype": kinds[tensor.dtype], "sha256": hashlib.sha256(data).hexdigest()}


def write(name, quantization, matrices, expected):
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(len(name))
    tensors = {**floats(generator), **matrices}
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config(quantization), indent=2) + "\n")
    digests = {key: digest(value) for key, value in expected.items()}
    (folder / "expected.json").write_text(json.dumps(digests, indent=1) + "\n")
    print(name)


def gptq(name, auto_gptq, bits, group_size, symmetric, act_order=False, second_format=False, bias=False):
    """Packed by AutoGPTQ, and decoded by its forward pass of an identity, with scales in float32."""
    linears = module(auto_gptq / "auto_gptq/nn_modules/qlinear/qlinear_cuda.py", "qlinear_cuda")
    generator = torch.Generator().manual_seed(bits * 1000 + group_size)
    matrices, expected = {}, {}
    for key, (outputs, inputs) in MATRICES.items():
        size = inputs if group_size < 0 else group_size
        groups = -(-inputs // size)
        group_of = torch.arange(inputs) // size
        if act_order:
            group_of = group_of[torch.randperm(inputs, generator=generator)]
        largest = 2**bits - 1
        scales = (torch.rand(outputs, groups, generator=generator) * 0.01 + 0.001).half()
        middle = torch.full((outputs, groups), 2 ** (bits - 1))
        zeros = middle if symmetric else torch.randint(1, largest + 1, (outputs, groups), generator=generator)
        codes = torch.randint(0, largest + 1, (outputs, inputs), generator=generator)
        values = scales.float()[:, group_of] * (codes - zeros[:, group_of])
        linear = torch.nn.Linear(inputs, outputs, bias=False)
        linear.weight.data = values
        quantized = linears.QuantLinear(bits, size, inputs, outputs, bias)
        quantized.pack(linear, scales.float(), zeros.float(), group_of.int())
        quantized.wf = torch.tensor(list(range(0, 32, bits)), dtype=torch.int32).unsqueeze(0)
        state = {k: v.clone() for k, v in quantized.state_dict().items()}
        quantized.scales = quantized.scales.float()
        decoded = quantized.forward(torch.eye(inputs)).t() - (0 if not bias else quantized.bias.float()[:, None])
        assert torch.equal(decoded, values), key
        if second_format:  # zero points as they are, where the first format takes 1 off each
            state["qzeros"] += sum(1 << shift for shift in range(0, 32, bits))
        matrices.update({LAYER + key + "." + part: tensor for part, tensor in state.items()})
        expected[LAYER + key + ".weight"] = decoded.float()
    quantization = {
        "quant_method": "gptq",
        "bits": bits,
        "group_size": group_size,
        "sym": symmetric,
        "desc_act": act_order,
        "damp_percent": 0.1,
        "true_sequential": True,
    }
    if second_format:
        quantization["checkpoint_format"] = "gptq_v2"
    write(name, quantization, matrices, expected)


def awq(name, auto_awq, group_size):
    """Random words, decoded by AutoAWQ, with scales in float32."""
    packing = module(auto_awq / "awq/utils/packing_utils.py", "packing_utils")
    generator = torch.Generator().manual_seed(group_size)
    words = lambda *shape: torch.randint(-(2**31), 2**31, shape, generator=generator).int()
    matrices, expected = {}, {}
    for key, (outputs, inputs) in MATRICES.items():
        groups = inputs // group_size
        codes, zeros = words(inputs, outputs // 8), words(groups, outputs // 8)
        scales = (torch.rand(groups, outputs, generator=generator) * 0.01 + 0.001).half()
        parts = {"qweight": codes, "qzeros": zeros, "scales": scales}
        matrices.update({LAYER + key + "." + part: tensor for part, tensor in parts.items()})
        decoded = packing.dequantize_gemm(codes, zeros, scales.float(), 4, group_size)
        expected[LAYER + key + ".weight"] = decoded.t().float()
    quantization = {
        "quant_method": "awq",
        "bits": 4,
        "group_size": group_size,
        "zero_point": True,
        "version": "gemm",
        "modules_to_not_convert": None,
    }
    write(name, quantization, matrices, expected)


def compressed(name, form, arguments, dtype, act_order=False):
    """Compressed and decompressed by compressed-tensors."""
    weights = QuantizationArgs(**arguments)
    scheme = QuantizationScheme(targets=["Linear"], weights=weights)
    compressor = BaseCompressor.get_value_from_registry(form)
    generator = torch.Generator().manual_seed(len(form) + weights.num_bits)
    matrices, expected = {}, {}
    for key, (outputs, inputs) in MATRICES.items():
        groups = inputs // weights.group_size if weights.group_size else 1
        rows = 1 if weights.strategy == "tensor" else outputs
        state = {"weight": (torch.randn(outputs, inputs, generator=generator) * 0.03).to(dtype)}
        state["weight_scale"] = (torch.rand(rows, groups, generator=generator) * 0.01 + 0.002).to(dtype)
        if weights.strategy == "tensor":
            state["weight_scale"] = state["weight_scale"].reshape(1)
        if weights.strategy == "block":
            block_rows, block_columns = weights.block_structure
            shape = (-(-outputs // block_rows), -(-inputs // block_columns))
            state["weight_scale"] = (torch.rand(*shape, generator=generator) * 0.01 + 0.002).to(dtype)
        if not weights.symmetric:
            low = -(2 ** (weights.num_bits - 1))
            zeros = torch.randint(low, -low, state["weight_scale"].shape, generator=generator)
            state["weight_zero_point"] = zeros.to(torch.int8)
        packed = compressor.compress({k: v.clone() for k, v in state.items()}, scheme)
        matrices.update({LAYER + key + "." + part: tensor for part, tensor in packed.items()})
        decoded = compressor.decompress({k: v.clone() for k, v in packed.items()}, scheme)["weight"]
        if act_order:  # which this version neither writes nor reads any more
            order = torch.arange(inputs).div(weights.group_size, rounding_mode="floor")
            order = order[torch.randperm(inputs, generator=generator)]
            matrices[LAYER + key + ".weight_g_idx"] = order.int()
            codes = unpack_from_int32(packed["weight_packed"], weights.num_bits, (outputs, inputs))
            decoded = codes * state["weight_scale"][:, order]
        expected[LAYER + key + ".weight"] = decoded
    quantization = {
        "quant_method": "compressed-tensors",
        "format": form,
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "kv_cache_scheme": None,
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": json.loads(weights.model_dump_json()),
                "input_activations": None,
                "output_activations": None,
            }
        },
    }
    write(name, quantization, matrices, expected)


def fp8(name):
    """Blocks of 128 × 128 with inverse scales, as transformers' own quantizer multiplies them."""
    generator = torch.Generator().manual_seed(8)
    matrices, expected = {}, {}
    for key, (outputs, inputs) in MATRICES.items():
        codes = torch.randn(outputs, inputs, generator=generator).mul(60).to(torch.float8_e4m3fn)
        scales = torch.rand(-(-outputs // 128), -(-inputs // 128), generator=generator) * 0.001
        matrices[LAYER + key + ".weight"] = codes
        matrices[LAYER + key + ".weight_scale_inv"] = scales
        wide = scales.repeat_interleave(128, 0)[:outputs].repeat_interleave(128, 1)[:, :inputs]
        expected[LAYER + key + ".weight"] = codes.float() * wide
    quantization = {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
    }
    write(name, quantization, matrices, expected)


def main():
    auto_gptq, auto_awq = map(pathlib.Path, sys.argv[1:3])
    gptq("gptq-4-sym-g32", auto_gptq, 4, 32, True, bias=True)
    gptq("gptq-4-asym-g64-v2", auto_gptq, 4, 64, False, second_format=True)
    gptq("gptq-4-act-order", auto_gptq, 4, 32, False, act_order=True)
    gptq("gptq-8-row", auto_gptq, 8, -1, True)
    awq("awq-g64", auto_awq, 64)
    group = {"strategy": "group", "group_size": 32}
    compressed("packed-4-sym-g32", "pack-quantized", {"num_bits": 4, **group}, torch.bfloat16)
    compressed("packed-4-asym-g64", "pack-quantized", {"num_bits": 4, "symmetric": False, "strategy": "group", "group_size": 64}, torch.float16)
    compressed("packed-8-row", "pack-quantized", {"num_bits": 8, "strategy": "channel"}, torch.float32)
    compressed("packed-4-act-order", "pack-quantized", {"num_bits": 4, **group}, torch.float32, act_order=True)
    compressed("int8-row", "int-quantized", {"num_bits": 8, "strategy": "channel"}, torch.bfloat16)
    compressed("int8-asym", "int-quantized", {"num_bits": 8, "symmetric": False, "strategy": "channel"}, torch.float32)
    float8 = {"num_bits": 8, "type": "float"}
    compressed("float8-row", "float-quantized", {**float8, "strategy": "channel"}, torch.bfloat16)
    compressed("float8-tensor", "float-quantized", {**float8, "strategy": "tensor"}, torch.float32)
    fp8("fp8-blocks")


main()
