package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/// The encoders that this machine has, each proven on known rows of every type, for every code.
final class RowEncoders {

    private static final int COLUMNS = 75;
    private static final int GROUP = 32;
    private static final int ROWS = 5;

    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort F16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final Map<NumberCode, RowEncoder> PROVEN = proven(found());

    private RowEncoders() {}

    static Optional<RowEncoder> of(NumberCode code) {
        return Optional.ofNullable(PROVEN.get(code));
    }

    /// One that cannot be made is left out: there is always Java.
    private static List<RowEncoder> found() {
        List<RowEncoder> found = new ArrayList<>();
        Iterator<RowEncoder> encoders =
                ServiceLoader.load(RowEncoder.class, RowEncoder.class.getClassLoader()).iterator();
        try {
            while (encoders.hasNext()) {
                found.add(encoders.next());
            }
        } catch (ServiceConfigurationError | RuntimeException | LinkageError unusable) {
            return found;
        }
        return found;
    }

    static Map<NumberCode, RowEncoder> proven(List<RowEncoder> encoders) {
        Map<NumberCode, RowEncoder> proven = new EnumMap<>(NumberCode.class);
        for (RowEncoder encoder : encoders) {
            for (NumberCode code : NumberCode.values()) {
                if (!proven.containsKey(code) && isRight(encoder, code)) {
                    proven.put(code, encoder);
                }
            }
        }
        return proven;
    }

    private static boolean isRight(RowEncoder encoder, NumberCode code) {
        try {
            return encoder.has(code)
                    && isRight(encoder, code, DataType.F32)
                    && isRight(encoder, code, DataType.F16)
                    && isRight(encoder, code, DataType.BF16);
        } catch (RuntimeException | LinkageError unusable) {
            return false;
        }
    }

    private static boolean isRight(RowEncoder encoder, NumberCode code, DataType type) {
        RowSource rows = new QuantizedRows.FloatRows(known(type));
        for (int group : new int[] {GROUP, COLUMNS}) {
            QuantizedRows right =
                    QuantizedRows.inJava(rows, code, group, Scales.ABSMAX, Sparsity.NONE, 0, ROWS);
            Optional<QuantizedRows> same =
                    QuantizedRows.by(encoder, rows, code, group, 0, ROWS)
                            .filter(found -> Arrays.equals(right.codes(), found.codes()))
                            .filter(found -> Arrays.equals(right.scales(), found.scales()))
                            .filter(found ->
                                    Arrays.equals(right.errors().sums(), found.errors().sums()));
            if (same.isEmpty()) {
                return false;
            }
        }
        return true;
    }

    /// Numbers of many magnitudes: ties between codes, a row of zeros, a group whose extreme occurs
    /// with both signs, columns that fill no byte.
    private static Matrix.Float known(DataType type) {
        float[] x = new float[ROWS * COLUMNS];
        for (int i = 0; i < (ROWS - 1) * COLUMNS; i++) {
            x[i] = (i * 37 % 64 - 32) * (i < COLUMNS ? 0.125f : 0.0371f * (i % 11));
        }
        x[COLUMNS + 3] = -40;
        x[COLUMNS + 5] = 40;
        MemorySegment data = MemorySegment.ofArray(new byte[x.length * type.bytes()]);
        for (int i = 0; i < x.length; i++) {
            switch (type) {
                case F32 -> data.setAtIndex(F32, i, x[i]);
                case F16 -> data.setAtIndex(F16, i, Float.floatToFloat16(x[i]));
                default -> data.setAtIndex(F16, i, (short) (Float.floatToRawIntBits(x[i]) >>> 16));
            }
        }
        return new Matrix.Float("known", type, ROWS, COLUMNS, data);
    }
}
