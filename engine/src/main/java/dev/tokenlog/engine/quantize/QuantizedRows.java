package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.Floats;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;

/// Some consecutive rows of a matrix, quantized.
///
/// @param codes packed, row after row
/// @param scales F16, little-endian, row after row
/// @param errors against the source
public record QuantizedRows(byte[] codes, byte[] scales, ErrorMeasures errors) {

    /// Quantizes rows `[fromRow, toRow)`.
    ///
    /// @param groupSize columns that share a scale
    /// @throws EngineException `UNSUPPORTED`, naming tensor, row and column: a value is not finite,
    ///   or a scale does not fit F16
    public static QuantizedRows of(
            Matrix.Float source, NumberCode numberCode, int groupSize, int fromRow, int toRow) {
        GroupCode code = GroupCode.of(numberCode);
        int columns = source.columns();
        int rows = toRow - fromRow;
        int groups = Math.ceilDiv(columns, groupSize);
        int rowBytes = code.bytesPerRow(columns);
        byte[] codes = new byte[Math.multiplyExact(rows, rowBytes)];
        byte[] scales = new byte[Math.multiplyExact(rows, groups * 2)];
        ErrorMeasures errors = new ErrorMeasures();
        float[] x = new float[columns];
        byte[] q = new byte[columns];
        for (int row = 0; row < rows; row++) {
            long first = (long) (fromRow + row) * columns;
            Floats.widen(source.type(), source.data(), first, x, columns);
            checkFinite(x, source.name(), fromRow + row);
            for (int group = 0; group < groups; group++) {
                int from = group * groupSize;
                int to = Math.min(from + groupSize, columns);
                short scale = code.quantize(x, from, to, q);
                float s = Float.float16ToFloat(scale);
                if (Float.isInfinite(s)) {
                    throw new EngineException(
                            Reason.UNSUPPORTED,
                            "tensor '%s' row %d columns %d to %d: the scale does not fit F16"
                                    .formatted(source.name(), fromRow + row, from, to - 1));
                }
                int at = (row * groups + group) * 2;
                scales[at] = (byte) scale;
                scales[at + 1] = (byte) (scale >>> 8);
                errors.add(x, q, s, from, to);
            }
            code.pack(q, columns, codes, row * rowBytes);
        }
        return new QuantizedRows(codes, scales, errors);
    }

    private static void checkFinite(float[] x, String tensor, int row) {
        for (int column = 0; column < x.length; column++) {
            if (!Float.isFinite(x[column])) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        "tensor '%s' row %d column %d: the value is %s"
                                .formatted(tensor, row, column, x[column]));
            }
        }
    }
}
