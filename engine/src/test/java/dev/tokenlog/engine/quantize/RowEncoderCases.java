package dev.tokenlog.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/// What every [RowEncoder] has to give: the bits that Java gives, of rows of any length and type,
/// with ties, with extremes of both signs, with zeros; and nothing where Java refuses.
public final class RowEncoderCases {

    private static final List<Integer> COLUMNS = List.of(1, 7, 32, 33, 64, 95, 160, 333, 2048);
    private static final List<Integer> GROUPS = List.of(32, 64, 128, 0);
    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort F16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final RowEncoder encoder;
    private final Random random;

    public RowEncoderCases(RowEncoder encoder, long seed) {
        this.encoder = encoder;
        this.random = new Random(seed);
    }

    /// @return the number of cases
    public int all() {
        int cases = 0;
        for (NumberCode code : NumberCode.values()) {
            for (Scales scales : GroupCode.of(code).scales()) {
                cases += encoder.has(code, scales) ? all(code, scales) : 0;
            }
        }
        return cases;
    }

    private int all(NumberCode code, Scales scales) {
        int cases = 0;
        for (DataType type : List.of(DataType.F32, DataType.F16, DataType.BF16)) {
            for (int columns : COLUMNS) {
                for (int group : GROUPS) {
                    int size = group == 0 ? columns : group;
                    compare(code, scales, matrix(type, 1 + random.nextInt(5), columns), size);
                    cases++;
                }
            }
        }
        return cases;
    }

    /// Java refuses it by name, so the encoder has to say that it cannot.
    public void refuses(NumberCode code, float strange) {
        float[] x = new float[100];
        x[70] = strange;
        Matrix.Float matrix = new Matrix.Float("x", DataType.F32, 2, 50, MemorySegment.ofArray(x));

        for (Scales scales : Scales.values()) {
            assertThat(encoded(code, scales, matrix, 32)).isEmpty();
        }
    }

    private Optional<QuantizedRows> encoded(
            NumberCode code, Scales scales, Matrix.Float matrix, int group) {
        RowSource rows = new QuantizedRows.FloatRows(matrix);
        return QuantizedRows.by(encoder, rows, code, scales, group, 0, matrix.rows());
    }

    private void compare(NumberCode code, Scales scales, Matrix.Float matrix, int group) {
        QuantizedRows expected =
                QuantizedRows.inJava(
                        new QuantizedRows.FloatRows(matrix),
                        code,
                        group,
                        scales,
                        Sparsity.NONE,
                        0,
                        matrix.rows());
        String what = code + " " + scales + " of " + matrix + " in groups of " + group;
        QuantizedRows found =
                encoded(code, scales, matrix, group).orElseThrow(() -> new AssertionError(what));

        assertThat(found.codes()).as("codes, " + what).isEqualTo(expected.codes());
        assertThat(found.scales()).as("scales, " + what).isEqualTo(expected.scales());
        assertThat(found.errors().sums()).as("errors, " + what).isEqualTo(expected.errors().sums());
    }

    private Matrix.Float matrix(DataType type, int rows, int columns) {
        int count = rows * columns;
        MemorySegment data = MemorySegment.ofArray(new byte[count * type.bytes()]);
        int kind = random.nextInt(4);
        for (int i = 0; i < count; i++) {
            float w = weight(kind == 0 ? 1 + random.nextInt(3) : kind);
            switch (type) {
                case F32 -> data.setAtIndex(F32, i, w);
                case F16 -> data.setAtIndex(F16, i, Float.floatToFloat16(w));
                default -> data.setAtIndex(F16, i, (short) (Float.floatToRawIntBits(w) >>> 16));
            }
        }
        return new Matrix.Float("x", type, rows, columns, data);
    }

    private float weight(int kind) {
        return switch (kind) {
            case 1 -> (random.nextInt(33) - 16) * 0.25f;
            case 2 -> (float) random.nextGaussian() * 0.02f;
            default -> random.nextInt(4) == 0 ? (float) random.nextGaussian() * 1e-7f : 0f;
        };
    }
}
