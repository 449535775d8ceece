"""Blocks of every type that the engine decodes, and the floats that the PyPI package `gguf` makes of them.

    python blocks.py ../resources/gguf/blocks.json        (gguf 0.19.0, numpy)

Blocks are random bytes; only their F16 scales are made finite. Floats stand as the hex of their bits.
"""

import json
import sys

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

# Where the F16 numbers of a block lie.
SCALES = {
    T.F16: [0],
    T.Q4_0: [0],
    T.Q4_1: [0, 2],
    T.Q5_0: [0],
    T.Q5_1: [0, 2],
    T.Q8_0: [0],
    T.Q2_K: [80, 82],
    T.Q3_K: [108],
    T.Q4_K: [0, 2],
    T.Q5_K: [0, 2],
    T.Q6_K: [208],
}


def main(out):
    random = np.random.default_rng(20261121)
    cases = []
    for kind in [T.F32, T.F16, T.BF16, *list(SCALES)[1:]]:
        elements, size = GGML_QUANT_SIZES[kind]
        count = 64 if elements == 1 else 6
        blocks = random.integers(0, 256, size=(count, size), dtype=np.uint8)
        if kind in (T.F32, T.BF16):
            blocks[:, -1] &= 0xBF  # an exponent below the largest
        for row, block in enumerate(blocks):
            for at in SCALES.get(kind, []):
                # Large, small, subnormal, negative and zero scales.
                scale = np.float16([1.7, -0.031, 3e-7, 1234.5, -6e-5, 0][row % 6] * random.uniform(0.5, 1))
                if kind != T.F16:
                    block[at : at + 2] = np.frombuffer(scale.tobytes(), dtype=np.uint8)
                elif (block[1] & 0x7C) == 0x7C:
                    block[1] &= 0xBF
        floats = dequantize(blocks.reshape(1, -1), kind).reshape(-1).astype(np.float32)
        assert np.isfinite(floats).all() and floats.size == count * elements
        cases.append(
            {
                "type": kind.name,
                "block_bytes": size,
                "block_elements": elements,
                "blocks": blocks.tobytes().hex(),
                "floats": floats.astype(">f4").tobytes().hex(),
            }
        )
    with open(out, "w", encoding="utf-8") as file:
        json.dump(cases, file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
