package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;

import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/// The executable specification of the arithmetic `cpu-2` and `float-1` (`docs/numerics.md`): plain
/// loops, to be read next to the rules. Every operation is rounded once to binary32; `fma` is one
/// rounding. Other kernels are tested against it bit by bit.
public final class ScalarKernels implements Kernels {

    static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// A block whose largest magnitude is below this has scale 0 and codes 0: dividing by it could
    /// overflow.
    static final float SMALLEST_MAXIMUM = 0x1p-116f;

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public String description() {
        return "scalar";
    }

    /// Quantized: operand · scale; float: the number itself.
    @Override
    public void embed(Matrix matrix, int row, float[] out, int outOffset, Workspace workspace) {
        for (int column = 0; column < matrix.columns(); column++) {
            out[outOffset + column] =
                    switch (matrix) {
                        case Matrix.Float weights -> ScalarWeights.weight(weights, row, column);
                        case Matrix.Quantized weights ->
                                ScalarWeights.code(weights, row, column)
                                        * ScalarWeights.weightScale(
                                                weights, row, column / weights.groupSize());
                    };
        }
    }

    @Override
    public void scale(float factor, float[] x, int offset, int count) {
        for (int i = offset; i < offset + count; i++) {
            x[i] = x[i] * factor;
        }
    }

    /// `r = 1 / sqrt(ss/n + ε)`, `ss` by 16 partial sums; `out = (x · r) · w`.
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
        float[] partials = workspace.partials;
        Arrays.fill(partials, 0f);
        for (int k = 0; k < n; k++) {
            partials[k % 16] = Math.fma(x[xOffset + k], x[xOffset + k], partials[k % 16]);
        }
        float r = 1f / (float) Math.sqrt(sumByHalves(partials) / n + epsilon);
        for (int k = 0; k < n; k++) {
            out[outOffset + k] = (x[xOffset + k] * r) * weight[k];
        }
    }

    /// Per block of 32 columns: `s = amax / Q`, `q = roundTiesToEven(x · (Q / amax))`, with `Q` the
    /// [largest magnitude][ActivationCode#largest] of a code: 127 or 2047.
    @Override
    public void quantize(float[] x, int xOffset, QuantizedActivations out, int token) {
        for (int block = 0; block < out.blocks(); block++) {
            quantizeBlock(x, xOffset, out, token, block);
        }
    }

    void quantizeBlock(float[] x, int xOffset, QuantizedActivations out, int token, int block) {
        int from = block * BLOCK;
        int to = Math.min(from + BLOCK, out.columns());
        float maximum = 0f;
        for (int column = from; column < to; column++) {
            maximum = Math.max(maximum, Math.abs(x[xOffset + column]));
        }
        boolean tiny = maximum < SMALLEST_MAXIMUM;
        float largest = out.code().largest();
        float inverse = largest / maximum;
        int codes = (token * out.blocks() + block) * BLOCK;
        for (int column = from; column < from + BLOCK; column++) {
            boolean zero = tiny || column >= to;
            out.codes()[codes + column - from] =
                    zero ? 0 : (short) Math.rint(x[xOffset + column] * inverse);
        }
        out.scales()[token * out.blocks() + block] = tiny ? 0f : maximum / largest;
    }

    /// `acc = fma((float) Σ q_w · q_x, s_w · s_x, acc)` over the blocks in ascending order, from
    /// +0.
    @Override
    public void multiply(
            PreparedMatrix prepared,
            int fromRow,
            int toRow,
            QuantizedActivations x,
            int tokens,
            float[] out,
            int outOffset,
            int outStride,
            Workspace workspace) {
        Matrix.Quantized weights = prepared.source();
        for (int token = 0; token < tokens; token++) {
            for (int row = fromRow; row < toRow; row++) {
                float accumulator = 0f;
                for (int block = 0; block < x.blocks(); block++) {
                    int from = block * BLOCK;
                    int to = Math.min(from + BLOCK, x.columns());
                    int codes = (token * x.blocks() + block) * BLOCK;
                    int sum = 0;
                    for (int column = from; column < to; column++) {
                        sum +=
                                ScalarWeights.code(weights, row, column)
                                        * x.codes()[codes + column - from];
                    }
                    float scale =
                            ScalarWeights.weightScale(weights, row, from / weights.groupSize())
                                    * x.scales()[token * x.blocks() + block];
                    accumulator = Math.fma((float) sum, scale, accumulator);
                }
                out[outOffset + token * outStride + row] = accumulator;
            }
        }
    }

    /// A float dot product of 16 partial sums.
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
        float[] partials = workspace.partials;
        for (int token = 0; token < tokens; token++) {
            for (int row = fromRow; row < toRow; row++) {
                Arrays.fill(partials, 0f);
                for (int k = 0; k < weights.columns(); k++) {
                    partials[k % 16] =
                            Math.fma(
                                    ScalarWeights.weight(weights, row, k),
                                    x[token * xStride + k],
                                    partials[k % 16]);
                }
                out[outOffset + token * outStride + row] = sumByHalves(partials);
            }
        }
    }

    /// `x' = fma(x, cos, −(y · sin))`, `y' = fma(y, cos, x · sin)`.
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
        for (int head = 0; head < heads; head++) {
            int start = offset + head * headSize;
            for (int pair = 0; pair < pairs; pair++) {
                float x = values[start + pair];
                float y = values[start + pair + pairs];
                float c = cos[tableOffset + pair];
                float s = sin[tableOffset + pair];
                values[start + pair] = Math.fma(x, c, -(y * s));
                values[start + pair + pairs] = Math.fma(y, c, x * s);
            }
        }
    }

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
        return ScalarKvCache.store(layout, page, layer, slot, keys, keyOffset, values, valueOffset);
    }

    /// `score_t = (q · k_t) · scale`, the dot product by 16 partial sums over the channels, then
    /// the soft cap; `e_t = exp(score_t − max)`; their sum by 16 partial sums over the absolute
    /// position; `out = fma(e_t / sum, v_t, out)` in ascending t, from +0.
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
        for (int token = 0; token < tokens; token++) {
            for (int head = 0; head < shape.group(); head++) {
                int start = offset + token * stride + head * shape.headSize();
                attendOne(
                        cache,
                        shape,
                        keyValueHead,
                        firstPosition + token,
                        queries,
                        out,
                        start,
                        workspace);
            }
        }
    }

    private static void attendOne(
            KvCache cache,
            AttentionShape shape,
            int keyValueHead,
            int position,
            float[] queries,
            float[] out,
            int start,
            Workspace workspace) {
        KvLayout layout = cache.layout();
        int headSize = shape.headSize();
        float[] scores = workspace.scores();
        float[] partials = workspace.partials;
        int first = shape.firstVisible(position);

        float maximum = Float.NEGATIVE_INFINITY;
        for (int t = first; t <= position; t++) {
            MemorySegment page = cache.page(t / PAGE_POSITIONS);
            Arrays.fill(partials, 0f);
            for (int c = 0; c < headSize; c++) {
                float key =
                        ScalarKvCache.key(
                                layout, page, shape.layer(), keyValueHead, t % PAGE_POSITIONS, c);
                partials[c % 16] = Math.fma(queries[start + c], key, partials[c % 16]);
            }
            scores[t] = sumByHalves(partials) * shape.scale();
            if (shape.softCap() != 0) {
                scores[t] = ElementaryFunctions.softCap(shape.softCap(), scores[t]);
            }
            maximum = Math.max(maximum, scores[t]);
        }

        Arrays.fill(partials, 0f);
        for (int t = first; t <= position; t++) {
            scores[t] = ElementaryFunctions.exp(scores[t] - maximum);
            partials[t % 16] = partials[t % 16] + scores[t];
        }
        float sum = sumByHalves(partials);

        Arrays.fill(out, start, start + headSize, 0f);
        for (int t = first; t <= position; t++) {
            MemorySegment page = cache.page(t / PAGE_POSITIONS);
            float probability = scores[t] / sum;
            for (int c = 0; c < headSize; c++) {
                float value =
                        ScalarKvCache.value(
                                layout, page, shape.layer(), keyValueHead, t % PAGE_POSITIONS, c);
                out[start + c] = Math.fma(probability, value, out[start + c]);
            }
        }
    }

    /// `(g · sigmoid(g)) · up`.
    @Override
    public void siluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        for (int i = from; i < to; i++) {
            gate[i] = ElementaryFunctions.silu(gate[i]) * up[i];
        }
    }

    @Override
    public void geluGate(float[] gate, float[] up, int from, int to, Workspace workspace) {
        for (int i = from; i < to; i++) {
            gate[i] = ElementaryFunctions.geluTanh(gate[i]) * up[i];
        }
    }

    @Override
    public void add(float[] x, int xOffset, float[] y, int yOffset, int count) {
        for (int i = 0; i < count; i++) {
            x[xOffset + i] = x[xOffset + i] + y[yOffset + i];
        }
    }

    @Override
    public void softCap(float cap, float[] x, int from, int to, Workspace workspace) {
        for (int i = from; i < to; i++) {
            x[i] = ElementaryFunctions.softCap(cap, x[i]);
        }
    }

    @Override
    public boolean isFinite(float[] x, int offset, int count) {
        for (int i = offset; i < offset + count; i++) {
            if (!Float.isFinite(x[i])) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void apply(
            ElementaryFunction function, float[] x, int from, int to, Workspace workspace) {
        for (int i = from; i < to; i++) {
            x[i] = ElementaryFunctions.apply(function, x[i]);
        }
    }

    /// Adds 16 partial sums by halves: 8, 4, 2, 1. Overwrites them.
    static float sumByHalves(float[] partials) {
        for (int half = 8; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                partials[i] = partials[i] + partials[i + half];
            }
        }
        return partials[0];
    }
}
