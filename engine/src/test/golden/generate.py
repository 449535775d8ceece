"""Makes the golden models of engine/src/test/resources/golden that README.md beside this file lists.

    python generate.py [NAME ...]
    python generate.py --search SEEDS [NAME ...]     # proposes entries of SEEDS, writes nothing

Each is a tiny model with random weights. Its config.json is written first, as a hub repository has it; the weights
are made for it and stored; then transformers opens that folder as any user would, and its answers are recorded. The
reference is computed in float64, except where transformers always computes in float32 (norms, softmax, rotary tables).
"""

import hashlib
import json
import pathlib
import shutil
import sys
import tempfile

import numpy
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent / "resources" / "golden"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
GREEDY = 8


def common(model_type, architecture, **fields):
    """What the configurations share. A value of None drops the field; `null` writes one."""
    config = {
        "architectures": [architecture],
        "vocab_size": 288,
        "hidden_size": 64,
        "intermediate_size": 112,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "rope_theta": 10000.0,
        "model_type": model_type,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.44.0",
    }
    config.update(fields)
    return {key: (None if value == "null" else value) for key, value in config.items() if value is not None}


def llama(**fields):
    return common("llama", "LlamaForCausalLM", **fields)


def gemma3(**fields):
    shape = dict(
        hidden_size=48,
        num_hidden_layers=4,
        head_dim=16,
        hidden_act=None,
        hidden_activation="gelu_pytorch_tanh",
        rms_norm_eps=1e-6,
        query_pre_attn_scalar=24,
        sliding_window=16,
        tie_word_embeddings=True,
        attn_logit_softcapping="null",
        final_logit_softcapping="null",
    )
    return common("gemma3_text", "Gemma3ForCausalLM", **(shape | fields))


def gemma3_whole(**fields):
    """A Gemma 3 that also sees images, as the hub has it: the text part says only what differs from its defaults."""
    text = gemma3(**fields)
    dropped = ("architectures", "torch_dtype", "transformers_version", "hidden_activation", "tie_word_embeddings")
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "boi_token_index": 255999,
        "eoi_token_index": 256000,
        "image_token_index": 262144,
        "mm_tokens_per_image": 4,
        "initializer_range": 0.02,
        "text_config": {key: value for key, value in text.items() if key not in dropped},
        "torch_dtype": "bfloat16",
        "transformers_version": "4.50.0.dev0",
        "vision_config": {
            "hidden_size": 16,
            "image_size": 16,
            "intermediate_size": 24,
            "model_type": "siglip_vision_model",
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "patch_size": 4,
            "vision_use_head": False,
        },
    }


def qwen3_moe(**fields):
    shape = dict(
        num_hidden_layers=3,
        head_dim=16,
        hidden_size=48,
        intermediate_size=96,
        moe_intermediate_size=32,
        num_experts=6,
        num_experts_per_tok=2,
        norm_topk_prob=True,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        output_router_logits=False,
        router_aux_loss_coef=0.001,
        rms_norm_eps=1e-6,
        rope_scaling="null",
        rope_theta=1000000.0,
        sliding_window="null",
        use_sliding_window=False,
        max_window_layers=3,
    )
    return common("qwen3_moe", "Qwen3MoeForCausalLM", **(shape | fields))


def yarn(**fields):
    return dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32) | fields


def increasing(start, ratio, count):
    return [round(start * ratio**i, 3) for i in range(count)]


# Sequences are longer than every window (16 to 24) and every original context (32 to 48), so that a missing one shows.
MODELS = {
    # Older dialect: a global and a local base, every third layer global, the scaling for the global layers only.
    "gemma3-text": gemma3(
        rope_theta=1000000.0,
        rope_local_base_freq=1000.0,
        sliding_window_pattern=3,
        rope_scaling={"factor": 8.0, "rope_type": "linear"},
    ),
    # Newer dialect: the kind of every layer, rotary parameters per kind.
    "gemma3-text-layer-types": gemma3(
        layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
        rope_theta=None,
        rope_parameters={
            "full_attention": {"rope_theta": 500000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 100.0, "rope_type": "default"},
        },
        use_bidirectional_attention=False,
        torch_dtype=None,
        dtype="bfloat16",
        transformers_version="5.23.0",
    ),
    "gemma3-whole": gemma3_whole(
        num_hidden_layers=7,
        head_dim=8,
        vocab_size=160,
        sliding_window=20,
        rope_theta=None,
        rope_scaling={"factor": 8.0, "rope_type": "linear"},
    ),
    "smollm3": common(
        "smollm3",
        "SmolLM3ForCausalLM",
        num_hidden_layers=4,
        rope_theta=5000000.0,
        rope_scaling="null",
        tie_word_embeddings=True,
        no_rope_layer_interval=4,
        no_rope_layers=[1, 0, 1, 0],
        layer_types=["full_attention"] * 4,
        sliding_window="null",
        use_sliding_window=False,
        max_window_layers=28,
        mlp_bias=False,
        pretraining_tp=2,
    ),
    # As the hub's own file has it: no_rope_layers left to the interval.
    "smollm3-interval": common(
        "smollm3",
        "SmolLM3ForCausalLM",
        hidden_size=48,
        num_hidden_layers=4,
        rope_theta=10000.0,
        no_rope_layer_interval=3,
        intermediate_size=80,
        vocab_size=160,
        torch_dtype="float32",
    ),
    "granite": common(
        "granite",
        "GraniteForCausalLM",
        attention_multiplier=0.4,
        embedding_multiplier=1.5,
        logits_scaling=1.7,
        residual_multiplier=0.6,
        mlp_bias=False,
        rope_scaling="null",
        tie_word_embeddings=True,
    ),
    "olmo2": common("olmo2", "Olmo2ForCausalLM", rope_theta=500000.0, rope_scaling="null", rms_norm_eps=1e-6),
    "mixtral": common(
        "mixtral",
        "MixtralForCausalLM",
        intermediate_size=48,
        num_local_experts=4,
        num_experts_per_tok=2,
        output_router_logits=False,
        router_aux_loss_coef=0.02,
        rope_theta=1000000.0,
        sliding_window="null",
        torch_dtype="bfloat16",
    ),
    "qwen3-moe": qwen3_moe(),
    # Only layer 3 of 0..3 is a mixture: every second one, and layer 1 is excepted; weights of the chosen sum to less than 1.
    "qwen3-moe-mixed": qwen3_moe(
        num_hidden_layers=4,
        norm_topk_prob=False,
        decoder_sparse_step=2,
        mlp_only_layers=[1],
        num_experts=8,
        tie_word_embeddings=True,
        intermediate_size=64,
        vocab_size=160,
        torch_dtype="float32",
    ),
    "mistral-nemo": common(
        "mistral",
        "MistralForCausalLM",
        head_dim=24,
        rope_theta=1000000.0,
        sliding_window="null",
    ),
    "llama-linear": llama(rope_scaling={"type": "linear", "factor": 4.0}, hidden_size=48),
    "llama-dynamic": llama(
        rope_scaling={"type": "dynamic", "factor": 2.0}, hidden_size=48, max_position_embeddings=44, mlp_bias=False
    ),
    "llama-yarn": llama(rope_scaling=yarn(), hidden_size=48, head_dim=24, max_position_embeddings=128),
    "llama-yarn-attention-factor": llama(
        rope_scaling=yarn(attention_factor=1.4, beta_fast=4.0, beta_slow=0.5, truncate=False),
        hidden_size=48,
        head_dim=24,
        max_position_embeddings=128,
    ),
    "llama-yarn-mscale": llama(
        rope_theta=None,
        rope_parameters=yarn(mscale=2.0, mscale_all_dim=0.7, rope_theta=20000.0),
        hidden_size=48,
        head_dim=24,
        max_position_embeddings=128,
        torch_dtype=None,
        dtype="bfloat16",
        transformers_version="5.23.0",
    ),
    "llama-biases": llama(attention_bias=True, mlp_bias=True, hidden_size=48),
    "llama-odd-sizes": llama(
        vocab_size=269,
        hidden_size=40,
        intermediate_size=100,
        num_attention_heads=4,
        num_key_value_heads=1,
        num_hidden_layers=2,
        tie_word_embeddings=True,
    ),
    "llama-f16": llama(hidden_size=48, num_hidden_layers=2, num_key_value_heads=4, torch_dtype="float16"),
    "phi3-partial-rotary": common(
        "phi3",
        "Phi3ForCausalLM",
        partial_rotary_factor=0.75,
        original_max_position_embeddings=256,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        rope_scaling="null",
        sliding_window=20,
        tie_word_embeddings=True,
    ),
    # As Phi-4-mini: both at once.
    "phi3-partial-longrope": common(
        "phi3",
        "Phi3ForCausalLM",
        partial_rotary_factor=0.75,
        original_max_position_embeddings=40,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        rope_scaling={
            "type": "longrope",
            "short_factor": increasing(1.0, 1.06, 6),
            "long_factor": increasing(1.1, 1.6, 6),
        },
        sliding_window=262144,
        tie_word_embeddings=True,
    ),
    "qwen2-window": common(
        "qwen2",
        "Qwen2ForCausalLM",
        attention_bias=None,
        hidden_size=48,
        num_hidden_layers=4,
        rope_theta=1000000.0,
        rms_norm_eps=1e-6,
        use_sliding_window=True,
        sliding_window=20,
        max_window_layers=2,
    ),
    "qwen2.5-tied": common(
        "qwen2",
        "Qwen2ForCausalLM",
        attention_bias=None,
        rope_theta=1000000.0,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        use_sliding_window=False,
        sliding_window=32768,
        max_window_layers=21,
        use_mrope=False,
    ),
}

# Lengths of the inputs where one of 60 tokens does not do.
LENGTHS = {
    "llama-dynamic": [30, 64],
    "phi3-partial-longrope": [30, 64],
    "mixtral": [40],
    "qwen3-moe": [40],
    "qwen3-moe-mixed": [40],
}

# Chosen so that no two best logits lie close together, nor two experts at the edge of the choice, and so that 8-bit
# weights turn over few of the likeliest tokens.
SEEDS = {
    "mixtral": 260,
    "qwen3-moe": 35,
    "qwen3-moe-mixed": 106,
    "gemma3-text": 37,
    "gemma3-whole": 2,
    "gemma3-text-layer-types": 20,
    "smollm3": 33,
    "smollm3-interval": 35,
    "granite": 49,
    "olmo2": 6,
    "mistral-nemo": 1,
    "llama-linear": 0,
    "llama-dynamic": 1,
    "llama-yarn": 34,
    "llama-yarn-attention-factor": 35,
    "llama-yarn-mscale": 3,
    "llama-biases": 34,
    "llama-odd-sizes": 29,
    "llama-f16": 0,
    "phi3-partial-rotary": 2,
    "phi3-partial-longrope": 13,
    "qwen2-window": 22,
    "qwen2.5-tied": 27,
}


# Spread of a matrix's results for inputs of spread 1.
GAINS = {
    "lm_head": 0.9,
    "q_proj": 1.8,
    "k_proj": 1.8,
    "qkv_proj": 1.6,
    "gate": 2.5,
    "softer gate": 1.5,
    "expert": 2.0,
}


def seeded(*key):
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def fill(model, config, name, seed):
    """Random, but every part of the model shows in the logits: attention is far from uniform, norms far from one,
    biases far from zero."""
    plus_one = config["model_type"].startswith("gemma")
    tied = config.get("tie_word_embeddings", True)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=seeded(name, seed, key), dtype=torch.float64)
            short = key.removesuffix(".weight").rsplit(".", 1)[-1]
            if key.endswith("bias"):
                weight.copy_(0.3 * noise)
            elif weight.dim() == 1:
                # Gemma's branches end in a norm: without more weight they would drown in the embedding.
                middle = 1.0 if not plus_one else 1.5 if "post_" in key else 0.0
                weight.copy_(middle + 0.25 * noise)
            elif short == "embed_tokens":
                scale = 1.0
                if tied:
                    scale = 0.9 / weight.shape[1] ** 0.5
                if plus_one and not tied:
                    scale /= weight.shape[1] ** 0.5
                weight.copy_(scale * noise)
            else:
                if weight.dim() == 3:
                    short = "expert"
                if short == "gate" and not config.get("norm_topk_prob", True):
                    short = "softer gate"
                weight.copy_(GAINS.get(short, 1.2) / weight.shape[-1] ** 0.5 * noise)


def check_frequencies(model, name):
    """The rotary frequencies are those of float32, whatever type the weights have."""
    found = [(key, buffer) for key, buffer in model.named_buffers() if "inv_freq" in key]
    assert found, name
    for key, buffer in found:
        assert buffer.dtype == torch.float32, (name, key)
        assert not torch.equal(buffer, buffer.bfloat16().float()), (name, key, "rounded to BF16")


def loaded(folder, name):
    """The folder as any user would open it, in float32."""
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    check_frequencies(model, name)
    return model


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def answer(model, ids, count=GREEDY):
    logits = logits_of(model, ids)
    assert logits.dtype == torch.float64
    greedy, margins = [], []
    for _ in range(count):
        last = logits_of(model, ids + greedy)[-1]
        best = torch.topk(last, 2).values
        margins.append(float(best[0] - best[1]))
        greedy.append(int(torch.argmax(last)))
    return logits, greedy, min(margins)


def routing_margins(model, ids, top):
    """Smallest distance between the last expert chosen and the first one not, in router logits, over layers and tokens."""
    margins = []

    def look(module, arguments, result):
        states = arguments[0].reshape(-1, arguments[0].shape[-1])
        scores = torch.sort(states @ module.weight.T, descending=True).values
        if top < scores.shape[1]:
            margins.append(float((scores[:, top - 1] - scores[:, top]).min()))

    hooks = [m.register_forward_hook(look) for k, m in model.named_modules() if k.endswith("mlp.gate")]
    logits_of(model, ids)
    for hook in hooks:
        hook.remove()
    return min(margins) if margins else None


def rounded(block):
    """A group of 32 columns by our int8: the F16 scale near amax/127 with the least squared error."""
    first = (block.abs().amax(-1, keepdim=True) / 127).half().view(torch.int16)
    best, least = None, None
    for step in sorted(range(-120, 121), key=abs):
        scale = (first + step).clamp(min=1).view(torch.half).double()
        value = torch.round(block / scale).clamp(-127, 127) * scale
        error = ((block - value) ** 2).sum(-1, keepdim=True)
        better = error < least if least is not None else torch.ones_like(error, dtype=torch.bool)
        best = torch.where(better, value, best) if best is not None else value
        least = torch.where(better, error, least) if least is not None else error
    return best


def eight_bit_agreement(model, ids, logits):
    """Share of positions whose likeliest token survives weights of 8 bits, a scale for each 32 columns."""
    saved = {key: weight.clone() for key, weight in model.state_dict().items()}
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if weight.dim() < 2 or key.endswith("mlp.gate.weight"):
                continue
            for start in range(0, weight.shape[-1], 32):
                block = weight[..., start : start + 32]
                block.copy_(rounded(block))
    same = logits_of(model, ids).argmax(dim=1) == logits.argmax(dim=1)
    model.load_state_dict(saved)
    return float(same.double().mean())


def make(name, folder, seed, judge=False):
    config = MODELS[name]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    dtype = DTYPES[config.get("torch_dtype") or config["dtype"]]
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    fill(model, config, name, seed)
    with tempfile.TemporaryDirectory() as saved:
        # Only the parameters: the model itself is not used further, for its buffers are rounded here too.
        model.to(dtype).save_pretrained(saved)
        shutil.copy(pathlib.Path(saved) / "model.safetensors", folder / "model.safetensors")
    del model

    model = loaded(folder, name).double().eval()

    cases = []
    summary = []
    for number, length in enumerate(LENGTHS.get(name, [60])):
        generator = seeded("input", name, seed, number)
        ids = [1] + torch.randint(3, config.get("text_config", config)["vocab_size"], (length - 1,), generator=generator).tolist()
        logits, greedy, margin = answer(model, ids)
        file = "logits.npy" if number == 0 else f"logits-{number + 1}.npy"
        numpy.save(folder / file, logits.to(torch.float32).numpy())
        deviation = float(logits.std())
        repeating = float((logits.argmax(dim=1) == torch.tensor(ids)).double().mean())
        cases.append(
            {
                "input_ids": ids,
                "logits": file,
                "greedy_ids": greedy,
                "share_repeating_input": round(repeating, 3),
                "std_of_logits": round(deviation, 3),
                "smallest_top_margin": round(margin, 5),
            }
        )
        top = config.get("num_experts_per_tok")
        routing = routing_margins(model, ids, top) if top else None
        if routing is not None:
            cases[-1]["smallest_routing_margin"] = round(routing, 5)
        # A model that repeats itself shows nothing.
        alive = repeating <= 0.05 and len(set(greedy)) >= 6
        # Random logits have near ties, which any rounding turns over.
        alive &= not judge or eight_bit_agreement(model, ids, logits) >= 0.95
        summary.append((deviation, margin if alive else 0.0, routing))
    (folder / "reference.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")
    return summary


def search(name, seeds):
    """The seed with the widest margins, measured against what quantization would do to them."""
    best = (0.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            summary = make(name, pathlib.Path(folder), seed, judge=True)
            margins = [margin / deviation for deviation, margin, _ in summary]
            margins += [routing for _, _, routing in summary if routing is not None]
            best = max(best, (min(margins), -seed))
    print(f'    "{name}": {-best[1]},  # {best[0]:.4f}', flush=True)


def main(names):
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if names[:1] == ["--search"]:
        for name in names[2:] or MODELS:
            search(name, int(names[1]))
        return
    for name in names or MODELS:
        folder = ROOT / name
        summary = make(name, folder, SEEDS.get(name, 0))
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(name, size, *(f"std={s:.3f} margin={m:.4f} routing={r}" for s, m, r in summary), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
