package dev.tokenlog.engine.format.gguf;

import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// Block types whose values are `q · s` with one F16 scale for 32 integers: `Q8_0`, `Q5_0` and
/// `Q4_0`. A code of ours with groups of 32 whose integers reach as far holds such a block exactly:
/// `int8` all of them, `int4` (−8 to 7) that of `Q4_0`.
///
/// @param type of the blocks
public record BlockCodes(GgufType type) {

    private static final int GROUP = 32;

    public static Optional<BlockCodes> of(GgufType type) {
        return type == GgufType.Q8_0 || type == GgufType.Q5_0 || type == GgufType.Q4_0
                ? Optional.of(new BlockCodes(type))
                : Optional.empty();
    }

    /// Integers that share a scale.
    public int groupSize() {
        return GROUP;
    }

    /// Whether the code has all integers that a block may have.
    public boolean fits(NumberCode code) {
        return code == NumberCode.INT8 || code == NumberCode.INT4 && type == GgufType.Q4_0;
    }

    /// @param at byte in `data` where the row begins
    /// @param q gets `columns` integers
    /// @param scales gets the F16 bits of `columns / 32` scales
    public void row(MemorySegment data, long at, int columns, short[] q, short[] scales) {
        int blockBytes = type.blockBytes();
        byte[] block = new byte[blockBytes];
        for (int group = 0; group < columns / GROUP; group++) {
            long from = at + (long) group * blockBytes;
            MemorySegment.copy(data, ValueLayout.JAVA_BYTE, from, block, 0, blockBytes);
            scales[group] = (short) (block[0] & 0xff | block[1] << 8);
            integers(block, q, group * GROUP);
        }
    }

    private void integers(byte[] block, short[] q, int to) {
        if (type == GgufType.Q8_0) {
            for (int i = 0; i < GROUP; i++) {
                q[to + i] = block[2 + i];
            }
            return;
        }
        boolean five = type == GgufType.Q5_0;
        int pairs = five ? 6 : 2;
        for (int i = 0; i < GROUP / 2; i++) {
            int pair = block[pairs + i] & 0xff;
            int low = pair & 0xf;
            int high = pair >>> 4;
            if (five) {
                low |= SmallBlocks.fifth(block, 2, i);
                high |= SmallBlocks.fifth(block, 2, i + GROUP / 2);
            }
            q[to + i] = (short) (low - (five ? 16 : 8));
            q[to + i + GROUP / 2] = (short) (high - (five ? 16 : 8));
        }
    }
}
