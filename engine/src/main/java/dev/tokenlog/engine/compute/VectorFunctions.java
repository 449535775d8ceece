package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// [ElementaryFunctions] for arrays, a vector at a time: the same operations in the same order.
/// What does not fill a vector is done by the scalar definition.
final class VectorFunctions {

    private VectorFunctions() {}

    /// `y = exp(x)` for `count` elements; may be the same array.
    static void exp(float[] x, int xOffset, float[] y, int yOffset, int count) {
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector v = FloatVector.fromArray(FLOATS, x, xOffset + i);
            FloatVector c =
                    v.blend(
                            ElementaryFunctions.EXP_HIGH,
                            v.compare(VectorOperators.GT, ElementaryFunctions.EXP_HIGH));
            c =
                    c.blend(
                            ElementaryFunctions.EXP_LOW,
                            c.compare(VectorOperators.LT, ElementaryFunctions.EXP_LOW));
            FloatVector rounded =
                    c.fma(
                            FloatVector.broadcast(FLOATS, ElementaryFunctions.LOG2_E),
                            FloatVector.broadcast(FLOATS, ElementaryFunctions.ROUNDING));
            FloatVector n = rounded.sub(ElementaryFunctions.ROUNDING);
            FloatVector r = n.fma(FloatVector.broadcast(FLOATS, -ElementaryFunctions.LN2_HIGH), c);
            r = n.fma(FloatVector.broadcast(FLOATS, -ElementaryFunctions.LN2_LOW), r);
            FloatVector p =
                    r.fma(
                            FloatVector.broadcast(FLOATS, ElementaryFunctions.EXP_6),
                            FloatVector.broadcast(FLOATS, ElementaryFunctions.EXP_5));
            p = p.fma(r, FloatVector.broadcast(FLOATS, ElementaryFunctions.EXP_4));
            p = p.fma(r, FloatVector.broadcast(FLOATS, ElementaryFunctions.EXP_3));
            p = p.fma(r, FloatVector.broadcast(FLOATS, ElementaryFunctions.EXP_2));
            p = p.fma(r, FloatVector.broadcast(FLOATS, 1f));
            p = p.fma(r, FloatVector.broadcast(FLOATS, 1f));
            IntVector exponent = rounded.reinterpretAsInts().sub(ElementaryFunctions.ROUNDING_BITS);
            IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
            IntVector rest = exponent.sub(half);
            p.mul(half.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats())
                    .mul(rest.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats())
                    .intoArray(y, yOffset + i);
        }
        for (; i < count; i++) {
            y[yOffset + i] = ElementaryFunctions.exp(x[xOffset + i]);
        }
    }

    /// `x = 1 / (1 + exp(−x))`.
    static void sigmoid(float[] x, int offset, int count) {
        negate(x, offset, count);
        exp(x, offset, x, offset, count);
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector.broadcast(FLOATS, 1f)
                    .div(FloatVector.fromArray(FLOATS, x, offset + i).add(1f))
                    .intoArray(x, offset + i);
        }
        for (; i < count; i++) {
            x[offset + i] = 1f / (1f + x[offset + i]);
        }
    }

    private static void negate(float[] x, int offset, int count) {
        for (int i = offset; i < offset + count; i++) {
            x[i] = -x[i];
        }
    }

    /// `y = 2 · sqrt(2/π) · (x + 0.044715 · x³)`, what GELU takes the sigmoid of.
    static void geluArgument(float[] x, int xOffset, float[] y, int yOffset, int count) {
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector v = FloatVector.fromArray(FLOATS, x, xOffset + i);
            FloatVector cube = v.mul(v).mul(v);
            cube.fma(FloatVector.broadcast(FLOATS, ElementaryFunctions.GELU_CUBE), v)
                    .mul(ElementaryFunctions.GELU_SCALE)
                    .intoArray(y, yOffset + i);
        }
        for (; i < count; i++) {
            y[yOffset + i] = ElementaryFunctions.geluArgument(x[xOffset + i]);
        }
    }

    /// `x = cap · tanh(x / cap)` for elements `from` to `to`, in pieces as long as the buffer.
    static void softCap(float cap, float[] x, int from, int to, float[] buffer) {
        for (int start = from; start < to; start += buffer.length) {
            int count = Math.min(buffer.length, to - start);
            divide(x, start, count, cap);
            tanh(x, start, count, buffer);
            multiply(x, start, count, cap);
        }
    }

    private static void divide(float[] x, int offset, int count, float divisor) {
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector.fromArray(FLOATS, x, offset + i).div(divisor).intoArray(x, offset + i);
        }
        for (; i < count; i++) {
            x[offset + i] = x[offset + i] / divisor;
        }
    }

    private static void multiply(float[] x, int offset, int count, float factor) {
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector.fromArray(FLOATS, x, offset + i).mul(factor).intoArray(x, offset + i);
        }
        for (; i < count; i++) {
            x[offset + i] = x[offset + i] * factor;
        }
    }

    /// `x = tanh(x)`; `large` is a buffer of at least `count` elements.
    static void tanh(float[] x, int offset, int count, float[] large) {
        for (int i = 0; i < count; i++) {
            large[i] = 2f * Math.abs(x[offset + i]);
        }
        exp(large, 0, large, 0, count);
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            FloatVector v = FloatVector.fromArray(FLOATS, x, offset + i);
            FloatVector s = v.mul(v);
            FloatVector p =
                    s.fma(
                            FloatVector.broadcast(FLOATS, ElementaryFunctions.TANH_4),
                            FloatVector.broadcast(FLOATS, ElementaryFunctions.TANH_3));
            p = p.fma(s, FloatVector.broadcast(FLOATS, ElementaryFunctions.TANH_2));
            p = p.fma(s, FloatVector.broadcast(FLOATS, ElementaryFunctions.TANH_1));
            p = p.fma(s, FloatVector.broadcast(FLOATS, ElementaryFunctions.TANH_0));
            FloatVector small = v.fma(s.mul(p), v);
            FloatVector positive =
                    FloatVector.broadcast(FLOATS, 1f)
                            .sub(
                                    FloatVector.broadcast(FLOATS, 2f)
                                            .div(FloatVector.fromArray(FLOATS, large, i).add(1f)));
            IntVector sign = v.reinterpretAsInts().and(Integer.MIN_VALUE);
            FloatVector signed =
                    positive.reinterpretAsInts()
                            .and(Integer.MAX_VALUE)
                            .or(sign)
                            .reinterpretAsFloats();
            VectorMask<Float> isSmall =
                    v.abs().compare(VectorOperators.LT, ElementaryFunctions.TANH_SMALL);
            signed.blend(small, isSmall).intoArray(x, offset + i);
        }
        for (; i < count; i++) {
            x[offset + i] = ElementaryFunctions.tanh(x[offset + i]);
        }
    }
}
