package dev.tokenlog.engine.quantize;

import java.util.Arrays;
import java.util.Comparator;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/// What the codes of a table are worth: integers of at most 16 bits.
final class CodeTable {

    /// What a table of fractions counts in, `2⁻¹⁵`, and the operand of its largest fraction.
    static final float FRACTION = 0x1p-15f;

    static final int LARGEST_FRACTION = 32767;

    private final short[] operands;
    private final int[] sorted;
    private final int[] codes;

    /// Where each code's operand stands in [#sorted].
    private final int[] places;

    /// @param operands by code
    CodeTable(int... operands) {
        this.operands = new short[operands.length];
        for (int code = 0; code < operands.length; code++) {
            this.operands[code] = (short) operands[code];
        }
        // Of equal operands the smallest code is used.
        this.codes =
                IntStream.range(0, operands.length)
                        .filter(code ->
                                IntStream.range(0, code)
                                        .noneMatch(other -> operands[other] == operands[code]))
                        .boxed()
                        .sorted(Comparator.comparingInt(code -> operands[code]))
                        .mapToInt(Integer::intValue)
                        .toArray();
        this.sorted = IntStream.of(codes).map(code -> operands[code]).toArray();
        this.places =
                IntStream.of(operands)
                        .map(operand -> Arrays.binarySearch(sorted, operand))
                        .toArray();
    }

    /// Fractions of 1 for each magnitude, rounded to 2⁻¹⁵, first positive, then negative.
    static CodeTable ofMagnitudes(int count, IntToDoubleFunction fraction) {
        int[] operands = new int[2 * count];
        for (int code = 0; code < count; code++) {
            operands[code] = (int) Math.rint(LARGEST_FRACTION * fraction.applyAsDouble(code));
            operands[count + code] = -operands[code];
        }
        return new CodeTable(operands);
    }

    /// `F16(amax / t)`, `t` what the largest operand of a table of fractions is worth.
    static short scaleOfFractions(float[] x, int from, int to) {
        return Float.floatToFloat16(
                Extremes.largestMagnitude(x, from, to) / (LARGEST_FRACTION * FRACTION));
    }

    int size() {
        return operands.length;
    }

    int operand(int code) {
        return operands[code];
    }

    /// The code of the next larger operand, or of the next smaller one.
    ///
    /// @param by 1 or -1
    /// @return [GroupCode#NO_CODE] where there is none
    int neighbour(int code, int by) {
        int place = places[code] + by;
        return place >= 0 && place < codes.length ? codes[place] : GroupCode.NO_CODE;
    }

    /// The code of the operand nearest to `x`; of two as near that of the larger one.
    int nearest(float x) {
        int low = 0;
        int high = sorted.length - 1;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (x - sorted[middle] >= sorted[middle + 1] - x) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return codes[low];
    }
}
