package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.concurrent.ConcurrentHashMap;

/// The encoders that this machine has, each proven on known rows of every type, for a code and a
/// way to its scales when these are first asked for.
final class RowEncoders {

    private static final int COLUMNS = 75;
    private static final int GROUP = 32;
    private static final int ROWS = 5;

    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort F16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final RowEncoders OF_THIS_MACHINE = new RowEncoders(found());

    /// @param scales how they are found
    private record Way(NumberCode code, Scales scales) {}

    private final List<RowEncoder> encoders;

    /// Proven when first asked for: most conversions need one, and a new process takes long for
    /// each.
    private final Map<Way, Optional<RowEncoder>> proven = new ConcurrentHashMap<>();

    /// @param encoders the better ones first
    RowEncoders(List<RowEncoder> encoders) {
        this.encoders = List.copyOf(encoders);
    }

    static Optional<RowEncoder> of(NumberCode code, Scales scales) {
        return OF_THIS_MACHINE.encoder(code, scales);
    }

    Optional<RowEncoder> encoder(NumberCode code, Scales scales) {
        return proven.computeIfAbsent(
                new Way(code, scales),
                way -> encoders.stream().filter(encoder -> isRight(encoder, way)).findFirst());
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

    private static boolean isRight(RowEncoder encoder, Way way) {
        try {
            return encoder.has(way.code(), way.scales())
                    && isRight(encoder, way, DataType.F32)
                    && isRight(encoder, way, DataType.F16)
                    && isRight(encoder, way, DataType.BF16);
        } catch (RuntimeException | LinkageError unusable) {
            return false;
        }
    }

    private static boolean isRight(RowEncoder encoder, Way way, DataType type) {
        RowSource rows = new QuantizedRows.FloatRows(known(type));
        for (int group : new int[] {GROUP, COLUMNS}) {
            QuantizedRows right =
                    QuantizedRows.inJava(
                            rows, way.code(), group, way.scales(), Sparsity.NONE, 0, ROWS);
            Optional<QuantizedRows> same =
                    QuantizedRows.by(encoder, rows, way.code(), way.scales(), group, 0, ROWS)
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
