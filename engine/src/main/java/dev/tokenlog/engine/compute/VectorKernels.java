package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;
import static dev.tokenlog.engine.compute.ScalarKernels.FLOAT;
import static dev.tokenlog.engine.compute.ScalarKernels.SHORT;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.HALF_SHORTS;
import static dev.tokenlog.engine.compute.VectorShapes.INTS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Kernels in the JDK's Vector API. Same bits as [ScalarKernels], on vectors of any width.
public final class VectorKernels implements Kernels {

    private final ScalarKernels scalar = new ScalarKernels();

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public String description() {
        return "vector " + VectorShapes.BITS + " bit";
    }

    /// One row per token: not worth vectors. The row is copied to the heap first, because C2
    /// compiles a loop over segments that several models go through again and again, for seconds
    /// each time (`docs/decisions/0174-a-lookup-copies-its-row.md`).
    @Override
    public void embed(Matrix matrix, int row, float[] out, int outOffset, Workspace workspace) {
        int columns = matrix.columns();
        switch (matrix) {
            case Matrix.Float weights when weights.type() == DataType.F32 ->
                    MemorySegment.copy(
                            weights.data(), FLOAT, 4L * row * columns, out, outOffset, columns);
            case Matrix.Float weights when weights.type().bytes() == 2 -> {
                short[] halves = workspace.halves;
                MemorySegment.copy(weights.data(), SHORT, 2L * row * columns, halves, 0, columns);
                widen(halves, weights.type() == DataType.BF16, out, outOffset, columns);
            }
            case Matrix.Quantized weights when weights.code() == NumberCode.INT8 -> {
                byte[] codes = workspace.codes;
                short[] scales = workspace.halves;
                int groups = weights.groupsPerRow();
                MemorySegment.copy(
                        weights.codes(), JAVA_BYTE, (long) row * columns, codes, 0, columns);
                MemorySegment.copy(weights.scales(), SHORT, 2L * row * groups, scales, 0, groups);
                for (int group = 0; group < groups; group++) {
                    int from = group * weights.groupSize();
                    int to = Math.min(columns, from + weights.groupSize());
                    float scale = Float.float16ToFloat(scales[group]);
                    for (int column = from; column < to; column++) {
                        out[outOffset + column] = codes[column] * scale;
                    }
                }
            }
            case Matrix.Float _, Matrix.Quantized _ ->
                    scalar.embed(matrix, row, out, outOffset, workspace);
        }
    }

    private static void widen(
            short[] halves, boolean brain, float[] out, int outOffset, int columns) {
        if (brain) {
            for (int i = 0; i < columns; i++) {
                out[outOffset + i] = Float.intBitsToFloat(halves[i] << 16);
            }
        } else {
            for (int i = 0; i < columns; i++) {
                out[outOffset + i] = Float.float16ToFloat(halves[i]);
            }
        }
    }

    @Override
    public void scale(float factor, float[] x, int offset, int count) {
        scalar.scale(factor, x, offset, count);
    }

    @Override
    public void rmsNorm(
            float[] x,
            int xOffset,
            float[] weight,
            float epsilon,
            float[] out,
            int outOffset,
            Workspace workspace) {
        int n = weight.length;
        float squares = VectorFloatProduct.dot(x, xOffset, x, xOffset, n, workspace);
        float r = 1f / (float) Math.sqrt(squares / n + epsilon);
        int k = 0;
        for (; k + FLOAT_LANES <= n; k += FLOAT_LANES) {
            FloatVector.fromArray(FLOATS, x, xOffset + k)
                    .mul(r)
                    .mul(FloatVector.fromArray(FLOATS, weight, k))
                    .intoArray(out, outOffset + k);
        }
        for (; k < n; k++) {
            out[outOffset + k] = (x[xOffset + k] * r) * weight[k];
        }
    }

    @Override
    public void quantize(float[] x, int xOffset, QuantizedActivations out, int token) {
        int whole = out.columns() / BLOCK;
        for (int block = 0; block < whole; block++) {
            quantizeBlock(x, xOffset + block * BLOCK, out, token * out.blocks() + block);
        }
        if (whole < out.blocks()) {
            scalar.quantizeBlock(x, xOffset, out, token, whole);
        }
        VectorQuantizedProduct.arrange(out, token);
    }

    private static void quantizeBlock(float[] x, int from, QuantizedActivations out, int block) {
        FloatVector largest = FloatVector.zero(FLOATS);
        for (int i = 0; i < BLOCK; i += FLOAT_LANES) {
            largest = largest.max(FloatVector.fromArray(FLOATS, x, from + i).abs());
        }
        float maximum = largest.reduceLanes(VectorOperators.MAX);
        boolean tiny = maximum < ScalarKernels.SMALLEST_MAXIMUM;
        float limit = out.code().largest();
        float inverse = tiny ? 0f : limit / maximum;
        for (int i = 0; i < BLOCK; i += FLOAT_LANES) {
            // Adding and subtracting 1.5 · 2²³ rounds to an integer, ties to even.
            FloatVector rounded =
                    FloatVector.fromArray(FLOATS, x, from + i)
                            .mul(inverse)
                            .add(ElementaryFunctions.ROUNDING)
                            .sub(ElementaryFunctions.ROUNDING);
            rounded.convert(VectorOperators.F2I, 0)
                    .convertShape(VectorOperators.I2S, HALF_SHORTS, 0)
                    .reinterpretAsShorts()
                    .intoArray(out.codes(), block * BLOCK + i);
        }
        out.scales()[block] = tiny ? 0f : maximum / limit;
    }

    /// Weights in tiles, outside the Java heap. What the model maps stays untouched from then on,
    /// but for the embedding, which is looked up there.
    @Override
    public PreparedMatrix prepare(Matrix.Quantized weights, Arena arena) {
        return TiledMatrix.of(weights, arena);
    }

    @Override
    public void multiply(
            PreparedMatrix weights,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        if (weights instanceof TiledMatrix tiles && tiles.code().activations() == x.code()) {
            VectorQuantizedProduct.multiply(
                    tiles, fromRow, toRow, x, tokens, out, outOffset, outStride, workspace);
        } else {
            // No model asks for it.
            scalar.multiply(
                    weights, fromRow, toRow, x, tokens, out, outOffset, outStride, workspace);
        }
    }

    @Override
    public void multiply(
            Matrix.Float weights,
            int fromRow,
            int toRow,
            float[] x,
            int xStride,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        VectorFloatProduct.multiply(
                weights, fromRow, toRow, x, xStride, tokens, out, outOffset, outStride, workspace);
    }

    @Override
    public void rotate(
            float[] values,
            int offset,
            int heads,
            int headSize,
            int pairs,
            float[] cos,
            float[] sin,
            int tableOffset) {
        int whole = pairs / FLOAT_LANES * FLOAT_LANES;
        for (int head = 0; head < heads; head++) {
            int start = offset + head * headSize;
            for (int pair = 0; pair < whole; pair += FLOAT_LANES) {
                FloatVector x = FloatVector.fromArray(FLOATS, values, start + pair);
                FloatVector y = FloatVector.fromArray(FLOATS, values, start + pair + pairs);
                FloatVector c = FloatVector.fromArray(FLOATS, cos, tableOffset + pair);
                FloatVector s = FloatVector.fromArray(FLOATS, sin, tableOffset + pair);
                x.fma(c, y.mul(s).neg()).intoArray(values, start + pair);
                y.fma(c, x.mul(s)).intoArray(values, start + pair + pairs);
            }
            for (int pair = whole; pair < pairs; pair++) {
                float x = values[start + pair];
                float y = values[start + pair + pairs];
                float c = cos[tableOffset + pair];
                float s = sin[tableOffset + pair];
                values[start + pair] = Math.fma(x, c, -(y * s));
                values[start + pair + pairs] = Math.fma(y, c, x * s);
            }
        }
    }

    /// Keys go to strided places: not worth vectors.
    @Override
    public boolean store(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int slot,
            float[] keys,
            int keyOffset,
            float[] values,
            int valueOffset) {
        return scalar.store(layout, page, layer, slot, keys, keyOffset, values, valueOffset);
    }

    @Override
    public void attend(
            KvCache cache,
            AttentionShape shape,
            int keyValueHead,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        VectorAttention.attend(
                cache,
                shape,
                keyValueHead,
                firstPosition,
                tokens,
                queries,
                out,
                offset,
                stride,
                workspace);
    }

    @Override
    public void siluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        float[] sigmoids = workspace.elements;
        for (int start = from; start < to; start += sigmoids.length) {
            int count = Math.min(sigmoids.length, to - start);
            System.arraycopy(gate, start, sigmoids, 0, count);
            VectorFunctions.sigmoid(sigmoids, 0, count);
            gate(gate, up, start, count, sigmoids);
        }
    }

    @Override
    public void geluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        float[] sigmoids = workspace.elements;
        for (int start = from; start < to; start += sigmoids.length) {
            int count = Math.min(sigmoids.length, to - start);
            VectorFunctions.geluArgument(gate, start, sigmoids, 0, count);
            VectorFunctions.sigmoid(sigmoids, 0, count);
            gate(gate, up, start, count, sigmoids);
        }
    }

    /// `gate = (gate · sigmoid) · up`.
    private static void gate(float[] gate, float[] up, int start, int count, float[] sigmoids) {
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector.fromArray(FLOATS, gate, start + i)
                    .mul(FloatVector.fromArray(FLOATS, sigmoids, i))
                    .mul(FloatVector.fromArray(FLOATS, up, start + i))
                    .intoArray(gate, start + i);
        }
        for (; i < count; i++) {
            gate[start + i] = (gate[start + i] * sigmoids[i]) * up[start + i];
        }
    }

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int count) {
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector.fromArray(FLOATS, x, xOffset + i)
                    .add(FloatVector.fromArray(FLOATS, y, yOffset + i))
                    .intoArray(x, xOffset + i);
        }
        scalar.add(x, xOffset + i, y, yOffset + i, count - i);
    }

    @Override
    public void softCap(float cap, float[] x, int from, int to, Workspace workspace) {
        VectorFunctions.softCap(cap, x, from, to, workspace.elements);
    }

    @Override
    public boolean isFinite(float[] x, int offset, int count) {
        IntVector largest = IntVector.zero(INTS);
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            largest =
                    largest.max(
                            FloatVector.fromArray(FLOATS, x, offset + i)
                                    .reinterpretAsInts()
                                    .and(Integer.MAX_VALUE));
        }
        int infinity = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);
        return largest.reduceLanes(VectorOperators.MAX) < infinity
                && scalar.isFinite(x, offset + i, count - i);
    }

    @Override
    public void apply(
            ElementaryFunction function, float[] x, int from, int to, Workspace workspace) {
        float[] buffer = workspace.elements;
        for (int start = from; start < to; start += buffer.length) {
            int count = Math.min(buffer.length, to - start);
            switch (function) {
                case EXP -> VectorFunctions.exp(x, start, x, start, count);
                case SIGMOID -> VectorFunctions.sigmoid(x, start, count);
                case TANH -> VectorFunctions.tanh(x, start, count, buffer);
                case GELU_TANH -> {
                    VectorFunctions.geluArgument(x, start, buffer, 0, count);
                    VectorFunctions.sigmoid(buffer, 0, count);
                    for (int i = 0; i < count; i++) {
                        x[start + i] = x[start + i] * buffer[i];
                    }
                }
            }
        }
    }
}
