package dev.tokenlog.engine.compute;

/// `exp`, `sigmoid`, `tanh` and `gelu` as the numerics define them: the executable specification,
/// one element at a time. Every operation is rounded once to binary32; `fma` is one rounding.
///
/// The polynomials are near-minimax fits (Chebyshev interpolation in 40 digits), with coefficients
/// rounded once to binary32. `docs/decisions/0030-elementary-functions.md` tells how to make them
/// again.
final class ElementaryFunctions {

    /// Beyond these, `exp` is infinite or rounds to zero.
    static final float EXP_HIGH = 89f;

    static final float EXP_LOW = -104f;

    static final float LOG2_E = 0x1.715476p+0f;

    /// `ln 2` in two parts.
    static final float LN2_HIGH = 0x1.62e43p-1f;

    static final float LN2_LOW = -0x1.05c61p-29f;

    /// 1.5 · 2²³: adding it to a small number rounds that to an integer, which then stands in the
    /// low bits.
    static final float ROUNDING = 12582912f;

    static final int ROUNDING_BITS = Float.floatToRawIntBits(ROUNDING);

    /// `(eʳ − 1 − r) / r²` for |r| ≤ ln 2 / 2; relative error of eʳ: 7.9e-9.
    static final float EXP_2 = 0.5f;

    static final float EXP_3 = 0x1.5554dcp-3f;
    static final float EXP_4 = 0x1.55551ap-5f;
    static final float EXP_5 = 0x1.120ba2p-7f;
    static final float EXP_6 = 0x1.6d113cp-10f;

    /// Up to here, `tanh` is a polynomial; beyond, it comes from `exp`.
    static final float TANH_SMALL = 0.625f;

    /// `(tanh(√s)/√s − 1) / s` for s ≤ 0.625²; relative error of tanh: 1.7e-8.
    static final float TANH_0 = -0x1.555552p-2f;

    static final float TANH_1 = 0x1.110e1cp-3f;
    static final float TANH_2 = -0x1.b9258ap-5f;
    static final float TANH_3 = 0x1.58048ep-6f;
    static final float TANH_4 = -0x1.8f8de4p-8f;

    /// `2 · sqrt(2/π)`.
    static final float GELU_SCALE = 0x1.988454p+0f;

    static final float GELU_CUBE = 0.044715f;

    private ElementaryFunctions() {}

    /// `eˣ = 2ⁿ · eʳ`, n the integer nearest to `x / ln 2`, `r = x − n · ln 2`. The power of two is
    /// applied in two halves, so that results below 2⁻¹²⁶ and close to 2¹²⁸ are right. NaN stays
    /// NaN.
    static float exp(float x) {
        float c = x > EXP_HIGH ? EXP_HIGH : x;
        c = c < EXP_LOW ? EXP_LOW : c;
        float rounded = Math.fma(c, LOG2_E, ROUNDING);
        float n = rounded - ROUNDING;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, c));
        float p = Math.fma(EXP_6, r, EXP_5);
        p = Math.fma(p, r, EXP_4);
        p = Math.fma(p, r, EXP_3);
        p = Math.fma(p, r, EXP_2);
        p = Math.fma(p, r, 1f);
        p = Math.fma(p, r, 1f);
        int exponent = Float.floatToRawIntBits(rounded) - ROUNDING_BITS;
        int half = exponent >> 1;
        return p * powerOfTwo(half) * powerOfTwo(exponent - half);
    }

    private static float powerOfTwo(int exponent) {
        return Float.intBitsToFloat((exponent + 127) << 23);
    }

    /// `1 / (1 + e⁻ˣ)`.
    static float sigmoid(float x) {
        return 1f / (1f + exp(-x));
    }

    /// `x · sigmoid(x)`.
    static float silu(float x) {
        return x * sigmoid(x);
    }

    /// For |x| < 0.625: `x + x · s · P(s)`, `s = x²`. Else `1 − 2 / (e^(2|x|) + 1)` with the sign
    /// of x.
    static float tanh(float x) {
        float magnitude = Math.abs(x);
        if (magnitude < TANH_SMALL) {
            float s = x * x;
            float p = Math.fma(TANH_4, s, TANH_3);
            p = Math.fma(p, s, TANH_2);
            p = Math.fma(p, s, TANH_1);
            p = Math.fma(p, s, TANH_0);
            return Math.fma(x, s * p, x);
        }
        float positive = 1f - 2f / (exp(2f * magnitude) + 1f);
        return Math.copySign(positive, x);
    }

    /// `cap · tanh(x / cap)`.
    static float softCap(float cap, float x) {
        return cap * tanh(x / cap);
    }

    /// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`, written as `x · sigmoid(2 · √(2/π) · (x +
    /// 0.044715 · x³))`, which is the same function without the cancellation for negative x.
    static float geluTanh(float x) {
        return x * sigmoid(geluArgument(x));
    }

    static float geluArgument(float x) {
        float cube = x * x * x;
        return GELU_SCALE * Math.fma(GELU_CUBE, cube, x);
    }

    static float apply(ElementaryFunction function, float x) {
        return switch (function) {
            case EXP -> exp(x);
            case SIGMOID -> sigmoid(x);
            case TANH -> tanh(x);
            case GELU_TANH -> geluTanh(x);
        };
    }
}
