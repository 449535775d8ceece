package dev.tokenlog.engine.format.gguf;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// Turns one block of a tensor into floats, exactly: the formulas are ggml's, each operation in
/// binary32 and rounded once, so that the values are the ones that llama.cpp's reference decoder
/// computes.
@FunctionalInterface
public interface BlockDecoder {

    /// @param block bytes that hold the block from `at` on
    /// @param x gets `blockElements` values from `to` on
    void decode(byte[] block, int at, float[] x, int to);

    /// The decoder of a type; empty for types that nobody here decodes.
    static Optional<BlockDecoder> of(GgufType type) {
        return Optional.ofNullable(
                switch (type) {
                    case F32 -> FloatBlocks::f32;
                    case F16 -> FloatBlocks::f16;
                    case BF16 -> FloatBlocks::bf16;
                    case Q4_0 -> SmallBlocks::q4x0;
                    case Q4_1 -> SmallBlocks::q4x1;
                    case Q5_0 -> SmallBlocks::q5x0;
                    case Q5_1 -> SmallBlocks::q5x1;
                    case Q8_0 -> SmallBlocks::q8x0;
                    case Q2_K -> SuperBlocks::q2k;
                    case Q3_K -> SuperBlocks::q3k;
                    case Q4_K -> SuperBlocks::q4k;
                    case Q5_K -> SuperBlocks::q5k;
                    case Q6_K -> SuperBlocks::q6k;
                    case Q8_1,
                            Q8_K,
                            IQ2_XXS,
                            IQ2_XS,
                            IQ3_XXS,
                            IQ1_S,
                            IQ4_NL,
                            IQ3_S,
                            IQ2_S,
                            IQ4_XS,
                            I8,
                            I16,
                            I32,
                            I64,
                            F64,
                            IQ1_M,
                            TQ1_0,
                            TQ2_0,
                            MXFP4,
                            NVFP4,
                            Q1_0 ->
                            null;
                });
    }

    /// Decodes one row.
    ///
    /// @param data blocks from the beginning of the row on
    /// @param at byte in `data` where the row begins
    /// @param x gets the row's values from 0 on
    /// @param columns elements of the row: whole blocks
    static void row(GgufType type, MemorySegment data, long at, float[] x, int columns) {
        BlockDecoder decoder =
                of(type).orElseThrow(() -> new IllegalArgumentException(type + " is not decoded"));
        int bytes = columns / type.blockElements() * type.blockBytes();
        byte[] row = new byte[bytes];
        MemorySegment.copy(data, ValueLayout.JAVA_BYTE, at, row, 0, bytes);
        int column = 0;
        for (int block = 0; block < bytes; block += type.blockBytes()) {
            decoder.decode(row, block, x, column);
            column += type.blockElements();
        }
    }
}
