"""Makes tiny models with random configurations of all families and compares `tokenlog logits` with transformers.

    python differ.py FIRST LAST        # seeds; a model that differs stays in a folder, which is printed

Configurations vary in sizes, dialect, scalings, windows, biases, types, and in what they leave to the defaults of their
family. Those that transformers refuses itself are counted and left out.
"""

import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

import generate

ROOT = pathlib.Path(__file__).resolve().parents[4]
TOLERANCE = 1e-3
FAMILIES = {
    "llama": "Llama",
    "mistral": "Mistral",
    "gemma": "Gemma",
    "gemma2": "Gemma2",
    "gemma3_text": "Gemma3",
    "phi3": "Phi3",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "smollm3": "SmolLM3",
    "granite": "Granite",
    "olmo2": "Olmo2",
    "mixtral": "Mixtral",
    "qwen3_moe": "Qwen3Moe",
}
BIASED = {"llama", "granite", "smollm3", "olmo2", "gemma", "gemma2", "gemma3_text", "qwen3", "qwen3_moe"}


class Maker:
    """One random configuration."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.family = self.pick(*FAMILIES)
        self.layers = self.random.randint(2, 5)
        heads = self.pick(2, 4, 8)
        hidden = heads * self.pick(4, 6, 10, 12)
        self.config = generate.common(
            self.family,
            FAMILIES[self.family] + "ForCausalLM",
            hidden_size=hidden,
            num_attention_heads=heads,
            num_key_value_heads=self.pick(*(k for k in (1, 2, 4, 8) if heads % k == 0)),
            num_hidden_layers=self.layers,
            intermediate_size=self.pick(30, 56, 64, 100),
            vocab_size=self.pick(97, 128, 160),
            torch_dtype=self.pick("float32", "bfloat16", "float16"),
            tie_word_embeddings=self.chance(0.5),
        )
        self.head_size = self.pick(None, None, 8, 12, 16)
        if self.head_size is None and self.family in ("gemma", "gemma2", "gemma3_text", "qwen3", "mixtral"):
            self.head_size = 12  # their default is large; Mixtral's scalings want to know it
        if self.head_size is None:
            self.head_size = hidden // heads
        else:
            self.config["head_dim"] = self.head_size
        self.common_parts()
        getattr(self, self.family, lambda: None)()

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, share):
        return self.random.random() < share

    def maybe(self, share, field, *choices):
        if self.chance(share):
            self.config[field] = self.pick(*choices)

    def common_parts(self):
        config = self.config
        if self.family not in ("phi3", "gemma3_text"):
            self.rotary()
        config.pop("attention_bias", None)
        if self.family in BIASED:
            self.maybe(0.8, "attention_bias", True, False)
        if self.family in ("llama", "granite", "smollm3"):
            self.maybe(0.5, "mlp_bias", True, False)
        self.maybe(0.1, "hidden_act", "gelu_new", "swish")
        for field in ("rms_norm_eps", "tie_word_embeddings", "hidden_act"):
            if self.chance(0.2):
                config.pop(field, None)

    def scaling(self):
        pairs = self.head_size // 2
        kind, fields = self.pick(
            (None, {}),
            ("default", {}),
            ("linear", {"factor": self.pick(1.5, 2.0, 4)}),
            ("dynamic", {"factor": self.pick(2.0, 3)}),
            (
                "llama3",
                {
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 32,
                },
            ),
            ("yarn", {"factor": 4.0, "original_max_position_embeddings": self.pick(16, 32)}),
            (
                "yarn",
                {
                    "factor": 3.0,
                    "original_max_position_embeddings": 24,
                    "beta_fast": self.pick(8.0, 16),
                    "beta_slow": self.pick(1.0, 2),
                    "truncate": self.pick(True, False),
                    "attention_factor": self.pick(0.9, 1.2),
                },
            ),
            (
                "longrope",
                {
                    "short_factor": [1 + 0.1 * i for i in range(pairs)],
                    "long_factor": [1.5 + 0.7 * i for i in range(pairs)],
                    "original_max_position_embeddings": self.pick(30, 200),
                },
            ),
        )
        return kind, fields

    def rotary(self):
        kind, fields = self.scaling()
        theta = self.pick(None, 1000, 10000.0, 500000.0)
        self.config.pop("rope_theta", None)
        if kind == "dynamic":
            self.config["max_position_embeddings"] = self.pick(40, 200)
        if self.chance(0.5):
            if theta:
                self.config["rope_theta"] = theta
            if kind:
                self.config["rope_scaling"] = {self.pick("type", "rope_type"): kind} | fields
        else:
            theta = theta or (10000.0 if kind == "llama3" else None)
            self.config["rope_parameters"] = {"rope_type": kind or "default"} | fields
            if theta:
                self.config["rope_parameters"]["rope_theta"] = theta

    def mistral(self):
        self.maybe(0.8, "sliding_window", None, 5, 17, 64)

    def gemma(self):
        self.config["hidden_act"] = self.pick("gelu", "gelu_pytorch_tanh")
        self.maybe(0.5, "hidden_activation", None, "gelu_pytorch_tanh")

    def gemma2(self):
        self.maybe(0.5, "hidden_activation", "gelu_pytorch_tanh")
        self.maybe(0.7, "query_pre_attn_scalar", 8, 16, 40)
        self.maybe(0.8, "sliding_window", 4, 11, 32)
        self.maybe(0.5, "final_logit_softcapping", None, 1.5, 30.0)
        if self.family == "gemma2":
            self.maybe(0.6, "attn_logit_softcapping", None, 2.0, 50.0)
        self.layer_types(0.4)

    def layer_types(self, share):
        if self.chance(share):
            kinds = ("full_attention", "sliding_attention")
            self.config["layer_types"] = [self.pick(*kinds) for _ in range(self.layers)]

    def gemma3_text(self):
        self.gemma2()
        config = self.config
        if "layer_types" not in config:
            self.maybe(0.6, "sliding_window_pattern", 2, 3)
        config.pop("rope_theta", None)
        if self.chance(0.5):
            self.maybe(0.6, "rope_theta", 1000.0, 50000.0)
            self.maybe(0.6, "rope_local_base_freq", 100.0, 5000.0)
            self.maybe(0.6, "rope_scaling", {"rope_type": "linear", "factor": 8.0})
            return
        by_type = {}
        if self.chance(0.8):
            by_type["full_attention"] = {"rope_type": "default", "rope_theta": self.pick(3000.0, 70000.0)}
            if self.chance(0.5):
                by_type["full_attention"] |= {"rope_type": "linear", "factor": 4.0}
        if self.chance(0.8):
            by_type["sliding_attention"] = {"rope_type": "default", "rope_theta": self.pick(300.0, 7000.0)}
        if by_type:
            config["rope_parameters"] = by_type

    def phi3(self):
        config = self.config
        self.maybe(0.7, "sliding_window", None, 5, 17, 64)
        part = self.pick(1, 1, 0.5, 0.75)
        dimensions = int(self.head_size * part)
        if dimensions % 2 or dimensions < 4 or "head_dim" in config:
            part, dimensions = 1, self.head_size  # transformers checks the factors against hidden_size / heads
        if part != 1:
            config["partial_rotary_factor"] = part
        config["original_max_position_embeddings"] = self.pick(30, 100, 256)
        if self.chance(0.6) and "head_dim" not in config:
            factors = {
                "short_factor": [1 + 0.05 * i for i in range(dimensions // 2)],
                "long_factor": [1.2 + 0.9 * i for i in range(dimensions // 2)],
            }
            if self.chance(0.5):
                config["rope_scaling"] = {"type": self.pick("su", "longrope")} | factors
            else:
                config.pop("rope_theta")
                config["rope_parameters"] = factors | {
                    "rope_type": "longrope",
                    "rope_theta": 20000.0,
                    "original_max_position_embeddings": config["original_max_position_embeddings"],
                    "partial_rotary_factor": part,
                }

    def qwen2(self):
        config = self.config
        self.maybe(0.7, "use_sliding_window", True, False)
        self.maybe(0.8, "sliding_window", None, 7, 24, 4096)
        config["max_window_layers"] = self.pick(0, 1, 2, 28)
        if config.get("use_sliding_window") and config.get("sliding_window", 4096):
            self.layer_types(0.4)

    qwen3 = qwen2

    def smollm3(self):
        config = self.config
        if self.chance(0.4):
            config["no_rope_layers"] = [self.pick(0, 1) for _ in range(self.layers)]
        else:
            self.maybe(0.5, "no_rope_layer_interval", 1, 2, 3)
        if self.chance(0.5):
            config["use_sliding_window"] = self.chance(0.7)
            config["sliding_window"] = self.pick(None, 9)

    def mixtral(self):
        self.mistral()
        self.config["num_local_experts"] = self.pick(2, 4, 5)
        self.config["num_experts_per_tok"] = self.pick(1, 2)

    def qwen3_moe(self):
        config = self.config
        self.maybe(0.7, "use_sliding_window", True, False)
        self.maybe(0.8, "sliding_window", None, 7, 24)
        self.maybe(0.4, "max_window_layers", 0, 28)
        config[self.pick("num_experts", "num_local_experts")] = self.pick(3, 4, 6)
        config["num_experts_per_tok"] = self.pick(1, 2, 3)
        config["moe_intermediate_size"] = self.pick(24, 32, 33)
        self.maybe(0.7, "norm_topk_prob", True, False)
        self.maybe(0.5, "decoder_sparse_step", 1, 2)
        self.maybe(0.5, "mlp_only_layers", [], [0], [1], None)

    def granite(self):
        self.maybe(0.8, "attention_multiplier", 0.3)
        self.maybe(0.8, "embedding_multiplier", 3, 1.7)
        self.maybe(0.8, "logits_scaling", 2, 1.3)
        self.maybe(0.8, "residual_multiplier", 0.45)


def reference(config, seed, folder):
    """Writes the model; answers with ids and logits in float64."""
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    generate.fill(model, config | {"tie_word_embeddings": model.config.tie_word_embeddings}, "differ", seed)
    with tempfile.TemporaryDirectory() as saved:
        model.to(generate.DTYPES[config["torch_dtype"]]).save_pretrained(saved)
        shutil.copy(pathlib.Path(saved) / "model.safetensors", folder / "model.safetensors")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    chosen = random.Random(seed)
    ids = [1] + [chosen.randrange(3, config["vocab_size"]) for _ in range(chosen.choice((20, 38, 60)) - 1)]
    return ids, generate.logits_of(model.double().eval(), ids).numpy()


def compare(seed):
    """None if transformers refuses the configuration, else the largest error in standard deviations."""
    maker = Maker(seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"differ-{seed}-{maker.family}-"))
    try:
        ids, expected = reference(maker.config, seed, folder)
    except Exception as refusal:
        shutil.rmtree(folder)
        print(seed, maker.family, "transformers:", str(refusal).replace("\n", " ")[:120], flush=True)
        return None
    (folder / "ids.json").write_text(json.dumps({"input_ids": ids}))
    out = folder / "ours.npy"
    run = subprocess.run(
        [ROOT / "tokenlog", "logits", folder, "--ids-file", folder / "ids.json", "--out", out],
        capture_output=True,
        text=True,
    )
    if run.returncode != 0:
        print(seed, maker.family, folder, run.stderr.splitlines()[-1], flush=True)
        return float("inf")
    error = float(numpy.abs(numpy.load(out) - expected).max() / expected.std())
    if error < TOLERANCE:
        shutil.rmtree(folder)
    else:
        print(seed, maker.family, f"{error:.2e}", folder, flush=True)
    return error


def main(first, last):
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    errors = [compare(seed) for seed in range(first, last)]
    found = [error for error in errors if error is not None]
    print(f"{len(found)} models, {sum(e >= TOLERANCE for e in found)} differ; largest error {max(found):.1e}")
    sys.exit(any(e >= TOLERANCE for e in found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
