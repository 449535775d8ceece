package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;

import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.NumberCode;

/// The forms that the vector kernels multiply weights in. A form is a row of this list, with what
/// unpacks it; several codes may share one. Products of many tokens are the same for all.
///
/// The row says what a block of 32 products is added up in. Beside 8-bit activations, weights of up
/// to 4 bits fit in 16-bit lanes: `32 · 8 · 127 < 2¹⁵`; the widest there is for them, since the
/// Vector API has no instruction that multiplies and adds integers. Wider weights and 12-bit
/// activations are floats, whose multiply-add is exact below 2²⁴.
enum TiledCode {

    /// A word is 4 columns, from the low bits up, each `q + 8`.
    INT4(4, Short.BYTES, Sums.SHORTS) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.int4(weights.tiles(), at, to.shorts, lane);
        }

        @Override
        void multiplyOne(
                TiledMatrix weights,
                int tile,
                QuantizedActivations x,
                int token,
                float[] out,
                int offset,
                Workspace workspace) {
            VectorSingleToken.int4(weights, tile, x, token, out, offset);
        }
    },

    /// A word is 4 columns, from the low bits up.
    INT8(8, Integer.BYTES, Sums.FLOATS) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.int8(weights.tiles(), at, to.floats, lane);
        }

        @Override
        void multiplyOne(
                TiledMatrix weights,
                int tile,
                QuantizedActivations x,
                int token,
                float[] out,
                int offset,
                Workspace workspace) {
            VectorSingleToken.int8(weights, tile, x, token, out, offset);
        }

        @Override
        void lay(GroupCode code, short[] q, byte[] to, int at) {
            for (int column = 0; column < q.length; column++) {
                to[at + column] = (byte) code.operand(q[column], 0);
            }
        }
    },

    /// A word is 8 columns, from the low bits up, each `q + 2`.
    INT2(2, Short.BYTES, Sums.SHORTS) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.narrow(weights.tiles(), at, bits(), 1, 2, to.shorts, lane);
        }

        @Override
        void lay(GroupCode code, short[] q, byte[] to, int at) {
            for (int column = 0; column < q.length; column++) {
                int two = code.operand(q[column], 0) + 2;
                to[at + column / 4] |= (byte) (two << column % 4 * 2);
            }
        }
    },

    /// A word is 16 columns, from the low bits up: 1 is +1, 0 is −1.
    INT1(1, Short.BYTES, Sums.SHORTS) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.narrow(weights.tiles(), at, bits(), 2, 1, to.shorts, lane);
        }
    },

    /// Codes as in [#INT4], zero points as `8 − z`.
    UINT4(4, Short.BYTES, Sums.SHORTS_AND_ZEROS) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.int4(weights.tiles(), at, to.shorts, lane);
        }

        @Override
        int centre() {
            return 8;
        }
    },

    /// Codes as in [#INT2], zero points as `2 − z`.
    UINT2(2, Short.BYTES, Sums.SHORTS_AND_ZEROS) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.narrow(weights.tiles(), at, bits(), 1, 2, to.shorts, lane);
        }

        @Override
        int centre() {
            return 2;
        }
    },

    /// A word is 4 columns, from the low bits up, each `q − 128`; zero points as `128 − z`.
    UINT8(8, Integer.BYTES, Sums.FLOATS_AND_ZEROS) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.int8(weights.tiles(), at, to.floats, lane);
        }

        @Override
        int centre() {
            return 128;
        }

        @Override
        void lay(GroupCode code, short[] q, byte[] to, int at) {
            for (int column = 0; column < q.length; column++) {
                to[at + column] = (byte) (q[column] - 128);
            }
        }
    },

    /// A word is 2 columns of 16 bits. A sum of theirs needs up to 32 bits: the upper and the lower
    /// bytes are added up one after the other, each in floats.
    WIDE(16, Integer.BYTES, Sums.UPPER_AND_LOWER) {
        @Override
        void unpack(TiledMatrix weights, long at, Workspace to, int lane) {
            VectorUnpacking.wide(weights.tiles(), at, to.floats, to.lowerFloats, lane);
        }

        @Override
        void lay(GroupCode code, short[] q, byte[] to, int at) {
            for (int column = 0; column < q.length; column++) {
                int operand = code.operand(q[column], 0);
                to[at + 2 * column] = (byte) operand;
                to[at + 2 * column + 1] = (byte) (operand >> 8);
            }
        }
    };

    /// What a block of 32 products is added up in.
    enum Sums {
        SHORTS(ActivationCode.BITS_8),
        SHORTS_AND_ZEROS(ActivationCode.BITS_8),
        FLOATS(ActivationCode.BITS_12),
        FLOATS_AND_ZEROS(ActivationCode.BITS_12),
        UPPER_AND_LOWER(ActivationCode.BITS_12);

        private final ActivationCode activations;

        Sums(ActivationCode activations) {
            this.activations = activations;
        }
    }

    private final int bits;
    private final int wordBytes;
    private final Sums sums;

    TiledCode(int bits, int wordBytes, Sums sums) {
        this.bits = bits;
        this.wordBytes = wordBytes;
        this.sums = sums;
    }

    static TiledCode of(NumberCode code) {
        return switch (code) {
            case INT4 -> INT4;
            case INT8, QINS4, FP4 -> INT8;
            case INT2, TERNARY -> INT2;
            case INT1 -> INT1;
            case UINT8 -> UINT8;
            case UINT4 -> UINT4;
            case UINT2 -> UINT2;
            case QINS8_LOG, QINS9_LOG, QINS8_INV, QINS8_PROJ -> WIDE;
        };
    }

    /// Whether rows of that code lie in tiles as they are stored.
    boolean isStored(NumberCode code) {
        return code.label().equalsIgnoreCase(name()) && this != UINT8;
    }

    /// Of a stored weight.
    int bits() {
        return bits;
    }

    /// Bytes of a word: 2 or 4.
    int wordBytes() {
        return wordBytes;
    }

    /// Bytes of a block of 32 columns of a tile.
    int blockBytes() {
        return TiledMatrix.ROWS * BLOCK * bits / 8;
    }

    Sums sums() {
        return sums;
    }

    /// What it is multiplied by.
    ActivationCode activations() {
        return sums.activations;
    }

    /// What unpacked codes are short of, where there are zero points.
    int centre() {
        return 0;
    }

    /// Brings the codes of a row, unpacked, to their place among the words of a row, which is all
    /// zeros.
    void lay(GroupCode code, short[] q, byte[] to, int at) {
        throw new IllegalStateException(this + " is stored so");
    }

    /// One block of a tile to `[column][row]` of the workspace, from row `lane` on: as 16-bit
    /// integers or floats, according to the sums.
    abstract void unpack(TiledMatrix weights, long at, Workspace to, int lane);

    /// The rows of one tile times one of few tokens, to 32 places from `offset` on.
    void multiplyOne(
            TiledMatrix weights,
            int tile,
            QuantizedActivations x,
            int token,
            float[] out,
            int offset,
            Workspace workspace) {
        VectorQuantizedProduct.multiplyOne(weights, tile, x, token, out, offset, workspace);
    }
}
