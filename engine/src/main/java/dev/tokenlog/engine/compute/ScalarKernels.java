package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.QuantizedActivations.BLOCK;

import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
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
                        case Matrix.Float weights -> weight(weights, row, column);
                        case Matrix.Quantized weights ->
                                code(weights, row, column)
                                        * weightScale(weights, row, column / weights.groupSize());
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
                        sum += code(weights, row, column) * x.codes()[codes + column - from];
                    }
                    float scale =
                            weightScale(weights, row, from / weights.groupSize())
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
                                    weight(weights, row, k),
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
        int headSize = layout.headSize(layer);
        boolean finite = true;
        for (int head = 0; head < layout.keyValueHeads(layer); head++) {
            int start = head * headSize;
            if (layout.type() == KvType.KV8) {
                finite &=
                        storeKey8(layout, page, layer, head, slot, keys, keyOffset + start)
                                & storeValue8(
                                        layout,
                                        page,
                                        layer,
                                        head,
                                        slot,
                                        values,
                                        valueOffset + start);
                continue;
            }
            for (int channel = 0; channel < headSize; channel++) {
                finite &=
                        put(
                                layout.type(),
                                page,
                                layout.keys(layer, head),
                                channel * PAGE_POSITIONS + slot,
                                keys[keyOffset + start + channel]);
                finite &=
                        put(
                                layout.type(),
                                page,
                                layout.values(layer, head),
                                slot * headSize + channel,
                                values[valueOffset + start + channel]);
            }
        }
        return finite;
    }

    private static boolean put(
            KvType type, MemorySegment page, long base, int element, float value) {
        return switch (type) {
            case KV16 -> {
                short rounded = Float.floatToFloat16(value);
                page.set(SHORT, base + 2L * element, rounded);
                yield (rounded & 0x7c00) != 0x7c00;
            }
            case KV32 -> {
                page.set(FLOAT, base + 4L * element, value);
                yield Float.isFinite(value);
            }
            case KV8 -> throw new IllegalArgumentException("kv8 stores whole blocks");
        };
    }

    /// Per block of 32 channels: `s = amax / 127`, `q = roundTiesToEven(x · (127 / amax))`, as
    /// [activations][#quantize] are.
    private static boolean storeKey8(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int head,
            int slot,
            float[] keys,
            int offset) {
        boolean finite = true;
        for (int block = 0; block < layout.blocks(layer); block++) {
            int from = block * KvType.BLOCK;
            int to = Math.min(from + KvType.BLOCK, layout.headSize(layer));
            float maximum = largestMagnitude(keys, offset + from, offset + to);
            for (int channel = from; channel < to; channel++) {
                page.set(
                        ValueLayout.JAVA_BYTE,
                        layout.keys(layer, head) + channel * PAGE_POSITIONS + slot,
                        code8(keys[offset + channel], maximum));
            }
            float scale = scale8(maximum);
            long index = block * PAGE_POSITIONS + slot;
            page.set(FLOAT, layout.keyScales(layer, head) + 4 * index, scale);
            finite &= Float.isFinite(scale);
        }
        return finite;
    }

    /// The same for values, in their order.
    private static boolean storeValue8(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int head,
            int slot,
            float[] values,
            int offset) {
        boolean finite = true;
        int headSize = layout.headSize(layer);
        int blocks = layout.blocks(layer);
        for (int block = 0; block < blocks; block++) {
            int from = block * KvType.BLOCK;
            int to = Math.min(from + KvType.BLOCK, headSize);
            float maximum = largestMagnitude(values, offset + from, offset + to);
            for (int channel = from; channel < to; channel++) {
                page.set(
                        ValueLayout.JAVA_BYTE,
                        layout.values(layer, head) + slot * headSize + channel,
                        code8(values[offset + channel], maximum));
            }
            float scale = scale8(maximum);
            long index = slot * blocks + block;
            page.set(FLOAT, layout.valueScales(layer, head) + 4 * index, scale);
            finite &= Float.isFinite(scale);
        }
        return finite;
    }

    /// NaN if one of them is.
    private static float largestMagnitude(float[] x, int from, int to) {
        float maximum = 0f;
        for (int i = from; i < to; i++) {
            maximum = Math.max(maximum, Math.abs(x[i]));
        }
        return maximum;
    }

    private static byte code8(float x, float maximum) {
        return maximum < SMALLEST_MAXIMUM ? 0 : (byte) Math.rint(x * (127f / maximum));
    }

    private static float scale8(float maximum) {
        return maximum < SMALLEST_MAXIMUM ? 0f : maximum / 127f;
    }

    private static float key(
            KvLayout layout, MemorySegment page, int layer, int head, int slot, int channel) {
        long base = layout.keys(layer, head);
        int element = channel * PAGE_POSITIONS + slot;
        return switch (layout.type()) {
            case KV16 -> Float.float16ToFloat(page.get(SHORT, base + 2L * element));
            case KV32 -> page.get(FLOAT, base + 4L * element);
            case KV8 -> {
                long scale = channel / KvType.BLOCK * PAGE_POSITIONS + slot;
                yield page.get(ValueLayout.JAVA_BYTE, base + element)
                        * page.get(FLOAT, layout.keyScales(layer, head) + 4 * scale);
            }
        };
    }

    private static float value(
            KvLayout layout, MemorySegment page, int layer, int head, int slot, int channel) {
        long base = layout.values(layer, head);
        int element = slot * layout.headSize(layer) + channel;
        return switch (layout.type()) {
            case KV16 -> Float.float16ToFloat(page.get(SHORT, base + 2L * element));
            case KV32 -> page.get(FLOAT, base + 4L * element);
            case KV8 -> {
                long scale = slot * layout.blocks(layer) + channel / KvType.BLOCK;
                yield page.get(ValueLayout.JAVA_BYTE, base + element)
                        * page.get(FLOAT, layout.valueScales(layer, head) + 4 * scale);
            }
        };
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
                float key = key(layout, page, shape.layer(), keyValueHead, t % PAGE_POSITIONS, c);
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
                        value(layout, page, shape.layer(), keyValueHead, t % PAGE_POSITIONS, c);
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

    /// The integer that a stored code stands for, its operand.
    static int code(Matrix.Quantized weights, int row, int column) {
        long start = row * weights.bytesPerRow();
        NumberCode code = weights.code();
        return switch (code) {
            case INT8 -> weights.codes().get(ValueLayout.JAVA_BYTE, start + column);
            case INT4 -> bits(weights, start, 4, column) - 8;
            case INT2 -> bits(weights, start, 2, column) - 2;
            case UINT8, UINT4, UINT2 ->
                    bits(weights, start, code.bits(), column) - zero(weights, row, column);
            case INT1 -> 2 * bits(weights, start, 1, column) - 1;
            case TERNARY -> {
                int five = bits(weights, start, 8, column / 5);
                yield five / POWERS_OF_3[column % 5] % 3 - 1;
            }
            case QINS8_LOG, QINS8_INV, QINS8_PROJ, QINS4, FP4 ->
                    GroupCode.of(code).operand(bits(weights, start, code.bits(), column), 0);
            case QINS9_LOG -> {
                int sign = bits(weights, start + weights.columns(), 1, column);
                int magnitude = bits(weights, start, 8, column);
                yield GroupCode.of(code).operand(sign << 8 | magnitude, 0);
            }
        };
    }

    private static final int[] POWERS_OF_3 = {1, 3, 9, 27, 81};

    /// The bits of a column of a row, of which a byte holds several, the first in the lowest bits.
    private static int bits(Matrix.Quantized weights, long start, int bits, int column) {
        int perByte = 8 / bits;
        int one = weights.codes().get(ValueLayout.JAVA_BYTE, start + column / perByte) & 0xff;
        return one >> column % perByte * bits & (1 << bits) - 1;
    }

    private static int zero(Matrix.Quantized weights, int row, int column) {
        long index = (long) row * weights.groupsPerRow() + column / weights.groupSize();
        return weights.zeros().get(ValueLayout.JAVA_BYTE, index) & 0xff;
    }

    /// The scale of a group's operands: what is stored, and for tables of fractions a power of two.
    static float weightScale(Matrix.Quantized weights, int row, int group) {
        long index = (long) row * weights.groupsPerRow() + group;
        float stored = Float.float16ToFloat(weights.scales().get(SHORT, 2 * index));
        return stored * GroupCode.of(weights.code()).unit();
    }

    static float weight(Matrix.Float weights, int row, int column) {
        long index = (long) row * weights.columns() + column;
        return switch (weights.type()) {
            case F32 -> weights.data().get(FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(weights.data().get(SHORT, 2 * index));
            case BF16 -> Float.intBitsToFloat(weights.data().get(SHORT, 2 * index) << 16);
            case F64, F8_E4M3, I64, I32, I16, I8, U8, BOOL ->
                    throw new IllegalArgumentException(
                            weights.name() + ": no float matrix of " + weights.type());
        };
    }
}
