package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// [ElementaryFunctions] for a vector at a time: the same operations in the same order.
final class VectorFunctions {

    private VectorFunctions() {}

    static FloatVector exp(FloatVector x) {
        FloatVector c =
                x.blend(
                        ElementaryFunctions.EXP_HIGH,
                        x.compare(VectorOperators.GT, ElementaryFunctions.EXP_HIGH));
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
                r.fma(broadcast(ElementaryFunctions.EXP_6), broadcast(ElementaryFunctions.EXP_5));
        p = p.fma(r, broadcast(ElementaryFunctions.EXP_4));
        p = p.fma(r, broadcast(ElementaryFunctions.EXP_3));
        p = p.fma(r, broadcast(ElementaryFunctions.EXP_2));
        p = p.fma(r, broadcast(1f));
        p = p.fma(r, broadcast(1f));
        IntVector exponent = rounded.reinterpretAsInts().sub(ElementaryFunctions.ROUNDING_BITS);
        IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
        return p.mul(powerOfTwo(half)).mul(powerOfTwo(exponent.sub(half)));
    }

    private static FloatVector powerOfTwo(IntVector exponent) {
        return exponent.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    }

    static FloatVector sigmoid(FloatVector x) {
        return broadcast(1f).div(exp(x.neg()).add(1f));
    }

    static FloatVector silu(FloatVector x) {
        return x.mul(sigmoid(x));
    }

    static FloatVector tanh(FloatVector x) {
        FloatVector s = x.mul(x);
        FloatVector p =
                s.fma(broadcast(ElementaryFunctions.TANH_4), broadcast(ElementaryFunctions.TANH_3));
        p = p.fma(s, broadcast(ElementaryFunctions.TANH_2));
        p = p.fma(s, broadcast(ElementaryFunctions.TANH_1));
        p = p.fma(s, broadcast(ElementaryFunctions.TANH_0));
        FloatVector small = x.fma(s.mul(p), x);
        FloatVector magnitude = x.abs();
        FloatVector positive = broadcast(1f).sub(broadcast(2f).div(exp(magnitude.mul(2f)).add(1f)));
        VectorMask<Float> isSmall =
                magnitude.compare(VectorOperators.LT, ElementaryFunctions.TANH_SMALL);
        return copySign(positive, x).blend(small, isSmall);
    }

    private static FloatVector copySign(FloatVector magnitude, FloatVector sign) {
        IntVector bits = magnitude.reinterpretAsInts().and(Integer.MAX_VALUE);
        return bits.or(sign.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsFloats();
    }

    static FloatVector geluTanh(FloatVector x) {
        FloatVector cube = x.mul(x).mul(x);
        FloatVector inner = cube.fma(broadcast(ElementaryFunctions.GELU_CUBE), x);
        return x.mul(sigmoid(inner.mul(ElementaryFunctions.GELU_SCALE)));
    }

    static FloatVector apply(ElementaryFunction function, FloatVector x) {
        return switch (function) {
            case EXP -> exp(x);
            case SIGMOID -> sigmoid(x);
            case TANH -> tanh(x);
            case GELU_TANH -> geluTanh(x);
        };
    }

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }
}
