package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;

import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;

/// The number codes that the vector kernels multiply. A code is a row of this list, with what
/// unpacks it; products of many tokens are the same for all.
///
/// The row says what a block of 32 products is added up in. Beside 8-bit activations, weights of up
/// to 4 bits fit in 16-bit lanes: `32 · 8 · 127 < 2¹⁵`; the widest there is for them, since the
/// Vector API has no instruction that multiplies and adds integers. Wider weights and 12-bit
/// activations are floats, whose multiply-add is exact below 2²⁴.
enum TiledCode {

    /// A word is 4 columns, from the low bits up, each `q + 8`.
    INT4(4, Short.BYTES, ActivationCode.BITS_8) {
        @Override
        void unpack(MemorySegment tiles, long at, Workspace to, int lane) {
            VectorUnpacking.int4(tiles, at, to.shorts, lane);
        }

        @Override
        void multiplyOne(
                TiledMatrix weights,
                int tile,
                QuantizedActivations x,
                int token,
                float[] out,
                int offset) {
            VectorSingleToken.int4(weights, tile, x, token, out, offset);
        }
    },

    /// A word is 4 columns, from the low bits up.
    INT8(8, Integer.BYTES, ActivationCode.BITS_12) {
        @Override
        void unpack(MemorySegment tiles, long at, Workspace to, int lane) {
            VectorUnpacking.int8(tiles, at, to.floats, lane);
        }

        @Override
        void multiplyOne(
                TiledMatrix weights,
                int tile,
                QuantizedActivations x,
                int token,
                float[] out,
                int offset) {
            VectorSingleToken.int8(weights, tile, x, token, out, offset);
        }
    };

    private final int bits;
    private final int wordBytes;
    private final ActivationCode activations;

    TiledCode(int bits, int wordBytes, ActivationCode activations) {
        this.bits = bits;
        this.wordBytes = wordBytes;
        this.activations = activations;
    }

    static TiledCode of(NumberCode code) {
        return switch (code) {
            case INT4 -> INT4;
            case INT8 -> INT8;
        };
    }

    /// Bytes of a word: 2 or 4.
    int wordBytes() {
        return wordBytes;
    }

    /// Bytes of a block of 32 columns of a tile.
    int blockBytes() {
        return TiledMatrix.ROWS * BLOCK * bits / 8;
    }

    /// What it is multiplied by. They also say what is added up in: 8 bits in 16-bit integers, 12
    /// bits in floats.
    ActivationCode activations() {
        return activations;
    }

    /// One block of a tile to `[column][row]` of the workspace, from row `lane` on: as 16-bit
    /// integers or floats, according to the activations.
    abstract void unpack(MemorySegment tiles, long at, Workspace to, int lane);

    /// The rows of one tile times one of few tokens, to 32 places from `offset` on.
    abstract void multiplyOne(
            TiledMatrix weights,
            int tile,
            QuantizedActivations x,
            int token,
            float[] out,
            int offset);
}
