package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/// Integer matrices of compressed-tensors, with outputs along the rows:
///
/// - packed: `weight_packed`, words of 32 bits with consecutive columns from the lowest bits on,
///   stored as `q + 2^(bits − 1)`; `weight_shape` `[2]`; `weight_zero_point`, packed in the same
///   way down the rows; `weight_g_idx`, the group of each column;
/// - plain: `weight` of signed bytes; `weight_zero_point` of signed bytes.
///
/// Both with `weight_scale`: `[rows, groups]`, `[rows, 1]`, or one for all. Width and group size
/// are what the shapes say, since a model may have several.
final class CompressedCodes {

    static final String PACKED = "weight_packed";
    static final String PLAIN = "weight";
    static final String SCALE = "weight_scale";
    static final String SHAPE = "weight_shape";
    static final String ZERO = "weight_zero_point";
    static final String GROUPS = "weight_g_idx";
    private static final int WORD = 32;

    private static final ValueLayout.OfInt I32 =
            JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 =
            JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private CompressedCodes() {}

    static CodedTensor packed(TensorParts parts, QuantizationConfig config) {
        Tensor codes = parts.matrix(PACKED, DataType.I32);
        int rows = size(codes, 0);
        int words = size(codes, 1);
        int columns = columns(parts, rows, words);
        int bits = bits(parts, words, columns);
        int perWord = WORD / bits;
        Scales scales = Scales.of(parts, rows, columns);
        requireScheme(parts, PACKED, config, bits, scales);
        int mask = (1 << bits) - 1;
        int middle = 1 << bits - 1;
        Tensor zeros = parts.find(ZERO, DataType.I32).orElse(null);
        if (zeros != null) {
            parts.requireShape(ZERO, zeros, Math.ceilDiv(rows, perWord), scales.groups);
        }
        int[] groupOf = groupOf(parts, columns, scales);
        MemorySegment q = codes.data();
        CodedTensor.Form form = scales.form(parts, "PACKED_" + bits, rows, columns, groupOf);
        return new CodedTensor(
                form,
                q,
                (row, into, rowScales, rowZeros) -> {
                    for (int word = 0; word < words; word++) {
                        int from = q.get(I32, 4L * ((long) row * words + word));
                        int first = word * perWord;
                        int count = Math.min(perWord, columns - first);
                        for (int i = 0; i < count; i++) {
                            into[first + i] = from >>> bits * i & mask;
                        }
                    }
                    int shift = row % perWord * bits;
                    for (int group = 0; group < scales.groups; group++) {
                        long place = (long) (row / perWord) * scales.groups + group;
                        rowZeros[group] =
                                zeros == null
                                        ? middle
                                        : zeros.data().get(I32, 4L * place) >>> shift & mask;
                    }
                    scales.row(row, rowScales);
                });
    }

    static CodedTensor plain(TensorParts parts, QuantizationConfig config) {
        Tensor codes = parts.matrix(PLAIN, DataType.I8);
        int rows = size(codes, 0);
        int columns = size(codes, 1);
        Scales scales = Scales.of(parts, rows, columns);
        requireScheme(parts, PLAIN, config, 8, scales);
        Tensor zeros = parts.find(ZERO, DataType.I8).orElse(null);
        if (zeros != null && zeros.elements() != scales.values.elements()) {
            throw parts.unreadable(
                    ZERO,
                    "shape %s, but the scales have %s"
                            .formatted(zeros.shape(), scales.values.shape()));
        }
        int[] groupOf = groupOf(parts, columns, scales);
        MemorySegment q = codes.data();
        return new CodedTensor(
                scales.form(parts, DataType.I8.name(), rows, columns, groupOf),
                q,
                (row, into, rowScales, rowZeros) -> {
                    for (int column = 0; column < columns; column++) {
                        into[column] = q.get(JAVA_BYTE, (long) row * columns + column) + 128;
                    }
                    for (int group = 0; group < scales.groups; group++) {
                        rowZeros[group] =
                                128
                                        + (zeros == null
                                                ? 0
                                                : zeros.data()
                                                        .get(JAVA_BYTE, scales.place(row, group)));
                    }
                    scales.row(row, rowScales);
                });
    }

    private static int columns(TensorParts parts, int rows, int words) {
        Tensor shape = parts.get(SHAPE, DataType.I64, DataType.I32);
        parts.requireShape(SHAPE, shape, 2);
        boolean wide = shape.type() == DataType.I64;
        long[] stated = new long[2];
        for (int i = 0; i < 2; i++) {
            stated[i] = wide ? shape.data().get(I64, 8L * i) : shape.data().get(I32, 4L * i);
        }
        if (stated[0] != rows || stated[1] < 1 || stated[1] > (long) words * WORD) {
            throw parts.unreadable(
                    SHAPE,
                    "says [%d, %d], but %s has %d rows of %d words"
                            .formatted(stated[0], stated[1], PACKED, rows, words));
        }
        return Math.toIntExact(stated[1]);
    }

    private static int bits(TensorParts parts, int words, int columns) {
        for (int bits : new int[] {4, 8, 2}) {
            if (Math.ceilDiv((long) columns * bits, WORD) == words) {
                return bits;
            }
        }
        throw parts.unsupported(
                PACKED,
                "%d words for %d columns: expected codes of 2, 4 or 8 bits"
                        .formatted(words, columns));
    }

    /// What the configuration says must be what the shapes say.
    private static void requireScheme(
            TensorParts parts, String part, QuantizationConfig config, int bits, Scales scales) {
        List<JsonNode> schemes =
                config.weightSchemes().stream()
                        .filter(scheme ->
                                scheme.path("num_bits").asInt(0) == bits
                                        && scheme.path("type").asText("int").equals("int"))
                        .toList();
        if (schemes.isEmpty()) {
            throw parts.unreadable(
                    part,
                    "has codes of %d bits, but no group of %s.config_groups has such weights"
                            .formatted(bits, QuantizationConfig.FIELD));
        }
        // A last group that is shorter cannot be told from groups of another size by the shape.
        boolean sized =
                scales.groups == 1
                        || schemes.stream()
                                .anyMatch(scheme ->
                                        scheme.path("group_size").asInt(-1) == scales.groupSize);
        if (!sized) {
            throw parts.unreadable(
                    SCALE,
                    "has groups of %d columns, but no group of %s.config_groups of %d bits has that group_size"
                            .formatted(scales.groupSize, QuantizationConfig.FIELD, bits));
        }
    }

    /// Null where groups are consecutive; −1 everywhere says the same.
    private static int[] groupOf(TensorParts parts, int columns, Scales scales) {
        Optional<Tensor> stored = parts.find(GROUPS, DataType.I32);
        if (stored.isEmpty()) {
            return null;
        }
        parts.requireShape(GROUPS, stored.get(), columns);
        for (int column = 0; column < columns; column++) {
            if (stored.get().data().get(I32, 4L * column) != -1) {
                return GptqCodes.groupOf(
                        parts, GROUPS, stored.get(), scales.groups, scales.groupSize);
            }
        }
        return null;
    }

    private static int size(Tensor tensor, int dimension) {
        return Math.toIntExact(tensor.shape().get(dimension));
    }

    /// Scales of whole groups, whole rows, or of all.
    private record Scales(Tensor values, int groups, int groupSize) {

        static Scales of(TensorParts parts, int rows, int columns) {
            Tensor values = parts.get(SCALE, DataType.F16, DataType.BF16, DataType.F32);
            long count = values.elements();
            boolean rowsOfGroups =
                    values.shape().size() == 2
                            && values.shape().getFirst() == rows
                            && values.shape().getLast() > 0
                            && columns % values.shape().getLast() == 0;
            if (rowsOfGroups) {
                int groups = Math.toIntExact(values.shape().getLast());
                return new Scales(values, groups, columns / groups);
            }
            if (count == 1 || count == rows) {
                return new Scales(values, 1, columns);
            }
            throw parts.unreadable(
                    SCALE,
                    "shape %s, expected [%d, groups] with groups of equal size in %d columns"
                            .formatted(values.shape(), rows, columns));
        }

        long place(int row, int group) {
            return values.elements() == 1 ? 0 : (long) row * groups + group;
        }

        void row(int row, float[] into) {
            if (values.elements() > 1) {
                long from = (long) row * groups;
                MemorySegment data = values.data();
                int width = values.type().bytes();
                Floats.widen(values.type(), data.asSlice(from * width), 0, into, groups);
            } else {
                Floats.widen(values.type(), values.data(), 0, into, 1);
            }
        }

        CodedTensor.Form form(
                TensorParts parts, String type, int rows, int columns, int[] groupOf) {
            return new CodedTensor.Form(
                    parts.name(), type, rows, columns, groups, groupSize, groupOf, parts.bytes());
        }
    }
}
