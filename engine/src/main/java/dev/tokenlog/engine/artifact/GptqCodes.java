package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Matrices of GPTQ and AWQ, which both lie with inputs along the rows, eight codes of 4 bits (or
/// four of 8, sixteen of 2) to a word of 32:
///
/// | | GPTQ | AWQ |
/// |---|---|---|
/// | `qweight` | `[inputs / 8, outputs]`, a word holds consecutive inputs | `[inputs, outputs / 8]`, a word holds outputs 0, 2, 4, 6, 1, 3, 5, 7 |
/// | `qzeros` | `[groups, outputs / 8]`, in its first format less 1, modulo 16 | `[groups, outputs / 8]` in that order |
/// | `scales` | `[groups, outputs]` | the same |
/// | `g_idx` | `[inputs]`, the group of each | none |
final class GptqCodes {

    static final String CODES = "qweight";
    private static final String ZEROS = "qzeros";
    private static final String SCALES = "scales";
    private static final String GROUPS = "g_idx";
    private static final int WORD = 32;

    private static final ValueLayout.OfInt I32 =
            JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Where output `j % 8` stands in a word of AWQ.
    private static final int[] AWQ_PLACES = {0, 4, 1, 5, 2, 6, 3, 7};

    private GptqCodes() {}

    static CodedTensor gptq(TensorParts parts, QuantizationConfig config) {
        Tensor codes = parts.matrix(CODES, DataType.I32);
        Tensor zeros = parts.matrix(ZEROS, DataType.I32);
        Tensor scales = scales(parts);
        int outputs = size(codes, 1);
        int groups = size(zeros, 0);
        int bits = bits(parts, zeros, outputs);
        int perWord = WORD / bits;
        int inputs = Math.multiplyExact(size(codes, 0), perWord);
        parts.requireShape(SCALES, scales, groups, outputs);
        int[] groupOf = groupOf(parts, inputs, groups, config);
        int groupSize = groupSize(parts, config, inputs, groups, groupOf != null);
        int one = config.zeroPointsLackOne() ? 1 : 0;
        int mask = (1 << bits) - 1;
        MemorySegment q = codes.data();
        MemorySegment z = zeros.data();
        int zeroWords = outputs / perWord;
        return new CodedTensor(
                new CodedTensor.Form(
                        parts.name(),
                        "GPTQ_" + bits,
                        outputs,
                        inputs,
                        groups,
                        groupSize,
                        groupOf,
                        parts.bytes()),
                q,
                (row, into, rowScales, rowZeros) -> {
                    for (int word = 0; word < inputs / perWord; word++) {
                        int packed = q.get(I32, 4L * ((long) word * outputs + row));
                        for (int i = 0; i < perWord; i++) {
                            into[word * perWord + i] = packed >>> bits * i & mask;
                        }
                    }
                    int shift = row % perWord * bits;
                    for (int group = 0; group < groups; group++) {
                        int packed = z.get(I32, 4L * ((long) group * zeroWords + row / perWord));
                        rowZeros[group] = (packed >>> shift) + one & mask;
                    }
                    scalesOf(row, scales, outputs, rowScales);
                });
    }

    static CodedTensor awq(TensorParts parts, QuantizationConfig config) {
        Tensor codes = parts.matrix(CODES, DataType.I32);
        Tensor zeros = parts.matrix(ZEROS, DataType.I32);
        Tensor scales = scales(parts);
        int bits = 4;
        int perWord = WORD / bits;
        int inputs = size(codes, 0);
        int words = size(codes, 1);
        int outputs = Math.multiplyExact(words, perWord);
        int groups = size(zeros, 0);
        parts.requireShape(ZEROS, zeros, groups, words);
        parts.requireShape(SCALES, scales, groups, outputs);
        int groupSize = groupSize(parts, config, inputs, groups, false);
        int mask = (1 << bits) - 1;
        MemorySegment q = codes.data();
        MemorySegment z = zeros.data();
        return new CodedTensor(
                new CodedTensor.Form(
                        parts.name(),
                        "AWQ_" + bits,
                        outputs,
                        inputs,
                        groups,
                        groupSize,
                        null,
                        parts.bytes()),
                q,
                (row, into, rowScales, rowZeros) -> {
                    int shift = AWQ_PLACES[row % perWord] * bits;
                    for (int input = 0; input < inputs; input++) {
                        int packed = q.get(I32, 4L * ((long) input * words + row / perWord));
                        into[input] = packed >>> shift & mask;
                    }
                    for (int group = 0; group < groups; group++) {
                        int packed = z.get(I32, 4L * ((long) group * words + row / perWord));
                        rowZeros[group] = packed >>> shift & mask;
                    }
                    scalesOf(row, scales, outputs, rowScales);
                });
    }

    private static Tensor scales(TensorParts parts) {
        return parts.matrix(SCALES, DataType.F16, DataType.BF16, DataType.F32);
    }

    private static void scalesOf(int row, Tensor scales, int outputs, float[] into) {
        float[] one = new float[1];
        for (int group = 0; group < into.length; group++) {
            Floats.widen(scales.type(), scales.data(), (long) group * outputs + row, one, 1);
            into[group] = one[0];
        }
    }

    /// By the shapes, since a model may have modules of several widths.
    private static int bits(TensorParts parts, Tensor zeros, int outputs) {
        for (int bits : new int[] {2, 4, 8}) {
            if ((long) size(zeros, 1) * WORD == (long) outputs * bits) {
                return bits;
            }
        }
        throw parts.unreadable(
                ZEROS,
                "shape %s for %d outputs, expected zero points of 2, 4 or 8 bits"
                        .formatted(zeros.shape(), outputs));
    }

    /// Null where groups are consecutive.
    private static int[] groupOf(
            TensorParts parts, int inputs, int groups, QuantizationConfig config) {
        Tensor stored = parts.find(GROUPS, DataType.I32).orElse(null);
        if (stored == null) {
            return null;
        }
        parts.requireShape(GROUPS, stored, inputs);
        int size = config.groupSize() < 0 ? inputs : config.groupSize();
        return groupOf(parts, GROUPS, stored, groups, size);
    }

    /// The group of each column as a file states it; null where they are consecutive.
    static int[] groupOf(TensorParts parts, String part, Tensor stored, int groups, int size) {
        int[] groupOf = new int[Math.toIntExact(stored.elements())];
        boolean consecutive = true;
        for (int column = 0; column < groupOf.length; column++) {
            groupOf[column] = stored.data().get(I32, 4L * column);
            if (groupOf[column] < 0 || groupOf[column] >= groups) {
                throw parts.unreadable(
                        part,
                        "element %d: group %d of %d".formatted(column, groupOf[column], groups));
            }
            consecutive &= groupOf[column] == column / size;
        }
        return consecutive ? null : groupOf;
    }

    private static int groupSize(
            TensorParts parts, QuantizationConfig config, int inputs, int groups, boolean mixed) {
        int size = config.groupSize() < 0 ? inputs : config.groupSize();
        if (!mixed && Math.ceilDiv(inputs, size) != groups) {
            throw parts.unreadable(
                    ZEROS,
                    "%d groups for %d inputs, but quantization_config.group_size is %d"
                            .formatted(groups, inputs, config.groupSize()));
        }
        return size;
    }

    private static int size(Tensor tensor, int dimension) {
        return Math.toIntExact(tensor.shape().get(dimension));
    }
}
