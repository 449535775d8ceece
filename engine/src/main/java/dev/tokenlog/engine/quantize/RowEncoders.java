package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.NumberCode;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;

/// The encoders that this machine has, each proven on known rows.
final class RowEncoders {

    private static final int COLUMNS = 75;
    private static final int GROUP = 32;
    private static final int ROWS = 5;

    private static final Map<NumberCode, RowEncoder> PROVEN =
            proven(
                    ServiceLoader.load(RowEncoder.class, RowEncoder.class.getClassLoader()).stream()
                            .map(ServiceLoader.Provider::get)
                            .toList());

    private RowEncoders() {}

    static Optional<RowEncoder> of(NumberCode code) {
        return Optional.ofNullable(PROVEN.get(code));
    }

    static Map<NumberCode, RowEncoder> proven(List<RowEncoder> encoders) {
        Map<NumberCode, RowEncoder> proven = new EnumMap<>(NumberCode.class);
        for (RowEncoder encoder : encoders) {
            for (NumberCode code : NumberCode.values()) {
                if (!proven.containsKey(code) && encoder.has(code) && isRight(encoder, code)) {
                    proven.put(code, encoder);
                }
            }
        }
        return proven;
    }

    /// Whether it gives the bits that Java gives, of numbers of many magnitudes: ties between
    /// codes, a row of zeros, a group whose extreme occurs with both signs, columns that fill no
    /// byte.
    private static boolean isRight(RowEncoder encoder, NumberCode code) {
        float[] x = new float[ROWS * COLUMNS];
        for (int i = 0; i < 4 * COLUMNS; i++) {
            x[i] = (i * 37 % 64 - 32) * (i < COLUMNS ? 0.125f : 0.0371f * (i % 11));
        }
        x[COLUMNS + 3] = -40;
        x[COLUMNS + 5] = 40;
        KnownRows rows = new KnownRows(x);
        QuantizedRows right =
                QuantizedRows.inJava(rows, code, GROUP, Scales.ABSMAX, Sparsity.NONE, 0, ROWS);
        try {
            return QuantizedRows.by(encoder, rows, code, GROUP, 0, ROWS)
                    .filter(found -> Arrays.equals(right.codes(), found.codes()))
                    .filter(found -> Arrays.equals(right.scales(), found.scales()))
                    .filter(found -> Arrays.equals(right.errors().sums(), found.errors().sums()))
                    .isPresent();
        } catch (RuntimeException | LinkageError unusable) {
            return false;
        }
    }

    private record KnownRows(float[] x) implements RowSource {

        @Override
        public String name() {
            return "known";
        }

        @Override
        public int columns() {
            return COLUMNS;
        }

        @Override
        public void row(int row, float[] into) {
            System.arraycopy(x, row * COLUMNS, into, 0, COLUMNS);
        }
    }
}
