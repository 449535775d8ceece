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
                            broadcast(ElementaryFunctions.LOG2_E),
                            broadcast(ElementaryFunctions.ROUNDING));
            FloatVector n = rounded.sub(ElementaryFunctions.ROUNDING);
            FloatVector r = n.fma(broadcast(-ElementaryFunctions.LN2_HIGH), c);
            r = n.fma(broadcast(-ElementaryFunctions.LN2_LOW), r);
            FloatVector p =
                    r.fma(
                            broadcast(ElementaryFunctions.EXP_6),
                            broadcast(ElementaryFunctions.EXP_5));
            p = p.fma(r, broadcast(ElementaryFunctions.EXP_4));
            p = p.fma(r, broadcast(ElementaryFunctions.EXP_3));
            p = p.fma(r, broadcast(ElementaryFunctions.EXP_2));
            p = p.fma(r, broadcast(1f));
            p = p.fma(r, broadcast(1f));
            IntVector exponent = rounded.reinterpretAsInts().sub(ElementaryFunctions.ROUNDING_BITS);
            IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
            p.mul(powerOfTwo(half)).mul(powerOfTwo(exponent.sub(half))).intoArray(y, yOffset + i);
        }
        for (; i < count; i++) {
            y[yOffset + i] = ElementaryFunctions.exp(x[xOffset + i]);
        }
    }

    private static FloatVector powerOfTwo(IntVector exponent) {
        return exponent.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    }

    /// `x = 1 / (1 + exp(−x))`.
    static void sigmoid(float[] x, int offset, int count) {
        negate(x, offset, count);
        exp(x, offset, x, offset, count);
        int i = 0;
        for (; i + FLOAT_LANES <= count; i += FLOAT_LANES) {
            broadcast(1f)
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
            cube.fma(broadcast(ElementaryFunctions.GELU_CUBE), v)
                    .mul(ElementaryFunctions.GELU_SCALE)
                    .intoArray(y, yOffset + i);
        }
        for (; i < count; i++) {
            y[yOffset + i] = ElementaryFunctions.geluArgument(x[xOffset + i]);
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
                            broadcast(ElementaryFunctions.TANH_4),
                            broadcast(ElementaryFunctions.TANH_3));
            p = p.fma(s, broadcast(ElementaryFunctions.TANH_2));
            p = p.fma(s, broadcast(ElementaryFunctions.TANH_1));
            p = p.fma(s, broadcast(ElementaryFunctions.TANH_0));
            FloatVector small = v.fma(s.mul(p), v);
            FloatVector positive =
                    broadcast(1f)
                            .sub(
                                    broadcast(2f)
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

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }
}
