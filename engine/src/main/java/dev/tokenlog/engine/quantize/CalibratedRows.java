package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.NumberCode;

/// A matrix whose codes have been found already: its rows are the source's, its codes are held.
///
/// @param q codes, row after row
/// @param scales F16 bits, row after row
/// @param zeros zero points, row after row; all 0 where the code has none
public record CalibratedRows(
        RowSource source, NumberCode code, int groupSize, short[] q, short[] scales, byte[] zeros)
        implements RowSource {

    @Override
    public String name() {
        return source.name();
    }

    @Override
    public int columns() {
        return source.columns();
    }

    @Override
    public void row(int row, float[] into) {
        source.row(row, into);
    }

    @Override
    public boolean holds(NumberCode wanted, int wantedGroupSize) {
        return wanted == code && wantedGroupSize == groupSize;
    }

    @Override
    public void codes(
            NumberCode wanted, int row, short[] intoCodes, short[] intoScales, byte[] intoZeros) {
        int groups = Math.ceilDiv(columns(), groupSize);
        System.arraycopy(q, row * columns(), intoCodes, 0, columns());
        System.arraycopy(scales, row * groups, intoScales, 0, groups);
        System.arraycopy(zeros, row * groups, intoZeros, 0, groups);
    }
}
