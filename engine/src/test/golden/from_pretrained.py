"""Makes the references of engine/src/test/resources/golden-from-pretrained.

    python from_pretrained.py

Four of the golden models that came with the project have references of a module that was cast to BF16 as a whole, its
rotary frequencies included. These are what transformers answers where `from_pretrained` opens the same folders and
nothing is cast: by the same calls as in generate.py, for the inputs of the folder's reference.json.
"""

import json

import numpy
import torch
import transformers

import generate

OUT = generate.ROOT.with_name("golden-from-pretrained")
CAST = ["llama-3.2", "mistral", "gemma", "qwen2"]


def rounding(model):
    """The largest relative distance of a rotary frequency from the nearest BF16: 0 where they were rounded."""
    found = [buffer for key, buffer in model.named_buffers() if key.endswith("inv_freq")]
    return max(float((buffer / buffer.bfloat16().float() - 1).abs().max()) for buffer in found)


def distance(logits, expected):
    return float((logits - expected).abs().max() / logits.std())


def make(name):
    folder = generate.ROOT / name
    model = generate.loaded(folder, name)
    unrounded = rounding(model)
    assert unrounded > 1e-3, (name, unrounded)
    model = model.double().eval()
    cast = generate.loaded(folder, name).bfloat16()
    assert rounding(cast.float()) == 0, name
    cast = cast.double().eval()

    out = OUT / name
    out.mkdir(parents=True, exist_ok=True)
    cases = []
    for given in json.loads((folder / "reference.json").read_text())["cases"]:
        ids = given["input_ids"]
        logits, greedy, margin = generate.answer(model, ids, len(given["greedy_ids"]))
        numpy.save(out / given["logits"], logits.to(torch.float32).numpy())
        cases.append(
            {
                "input_ids": ids,
                "logits": given["logits"],
                "greedy_ids": greedy,
                "std_of_logits": round(float(logits.std()), 4),
                "smallest_top_margin": round(margin, 5),
            }
        )
        # The cast alone makes the folder's own reference: nothing else is different here.
        expected = torch.from_numpy(numpy.load(folder / given["logits"]))
        same = distance(generate.logits_of(cast, ids), expected)
        assert same < 1e-6, (name, same)
        print(
            f"{name}: frequencies up to {unrounded:.1e} from BF16, std {logits.std():.4f}, margin {margin:.5f};"
            f" from the folder's reference {distance(logits, expected):.1e} std, cast {same:.1e}",
            flush=True,
        )
    (out / "reference.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in CAST:
        make(name)


if __name__ == "__main__":
    main()
