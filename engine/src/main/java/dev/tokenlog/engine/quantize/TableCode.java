package dev.tokenlog.engine.quantize;

import java.util.List;

/// A code whose operands stand in a table: any law, as long as it is known before. Codes are the
/// places in the table, nearest operands are found by bisection.
sealed interface TableCode extends GroupCode
        permits QinsLogCode, QinsInverseCode, QinsProjectiveCode, Qins4Code, Fp4Code {

    CodeTable table();

    @Override
    default int operand(int code, int zero) {
        return table().operand(code);
    }

    @Override
    default int neighbour(int code, int by) {
        return table().neighbour(code, by);
    }

    @Override
    default int smallest() {
        return 0;
    }

    @Override
    default int largest() {
        return table().size() - 1;
    }

    @Override
    default void encode(float[] x, int from, int to, short scale, int zero, short[] q) {
        float s = Float.float16ToFloat(scale) * unit();
        for (int i = from; i < to; i++) {
            q[i] = (short) (s == 0 ? 0 : table().nearest(x[i] / s));
        }
    }

    @Override
    default List<Scales> scales() {
        return List.of(Scales.ABSMAX);
    }

    @Override
    default void pack(short[] q, int columns, byte[] packed, int at) {
        Packing.pack(bits(), 0, q, columns, packed, at);
    }

    @Override
    default void unpack(byte[] packed, int at, int columns, short[] q) {
        Packing.unpack(bits(), 0, packed, at, columns, q);
    }
}
