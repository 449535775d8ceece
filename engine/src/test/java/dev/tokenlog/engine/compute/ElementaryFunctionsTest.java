package dev.tokenlog.engine.compute;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ElementaryFunctionsTest {

    private static final int INPUTS = 1 << 20;

    private static final float SMALLEST = 32 * Float.MIN_NORMAL;

    /// SHA-256 over the outputs, big-endian, one NaN, for every 4096th bit pattern of a float: what
    /// a function gives belongs to the numerics id. A change here needs a new one.
    private static final Map<ElementaryFunction, String> DIGESTS =
            Map.of(
                    ElementaryFunction.EXP,
                            "e71f984bad574fbb4ea5e75bf1a14c8041a660d8bc448687bf762204071a9bee",
                    ElementaryFunction.SIGMOID,
                            "ebfcca7b4e1862ecc399ae7abaa2eefc48d0d404d7a0b83ece6be1ad358b1f3e",
                    ElementaryFunction.TANH,
                            "d75e81a86d9f9fab06d6259c8ff9a95005460709ad57d53e237948590c2026af",
                    ElementaryFunction.GELU_TANH,
                            "7ca8268c4af298eb9963df3c6d9d16edb430afcfa0c44d137cf14b5b07a6ae05");

    @ParameterizedTest
    @EnumSource
    void outputsAreCommitted(ElementaryFunction function) throws NoSuchAlgorithmException {
        for (Kernels kernels : new Kernels[] {new ScalarKernels(), new VectorKernels()}) {
            float[] x = inputs();
            kernels.apply(function, x, 0, x.length, new Workspace(1, 1, 1));
            assertThat(digest(x)).describedAs(kernels.name()).isEqualTo(DIGESTS.get(function));
        }
    }

    /// Against double arithmetic: within a few units in the last place, infinities and zeros where
    /// they belong.
    @ParameterizedTest
    @EnumSource
    void closeToTheTrueFunction(ElementaryFunction function) {
        DoubleUnaryOperator exact =
                switch (function) {
                    case EXP -> StrictMath::exp;
                    case SIGMOID -> x -> 1 / (1 + StrictMath.exp(-x));
                    case TANH -> StrictMath::tanh;
                    case GELU_TANH -> ElementaryFunctionsTest::gelu;
                };
        double worst = 0;
        for (float x : inputs()) {
            float actual = ElementaryFunctions.apply(function, x);
            double expected = exact.applyAsDouble(x);
            if (Double.isNaN(expected)) {
                assertThat(actual).describedAs("%s(%s)", function, x).isNaN();
                continue;
            }
            float rounded = (float) expected;
            if (Float.isInfinite(rounded) || Float.isInfinite(actual)) {
                assertThat(actual).describedAs("%s(%s)", function, x).isEqualTo(rounded);
                continue;
            }
            // Where e⁻ˣ overflows, sigmoid and gelu give 0 for what is hardly a normal number.
            boolean vanishes =
                    function != ElementaryFunction.EXP
                            && function != ElementaryFunction.TANH
                            && Math.abs(rounded) < SMALLEST;
            double unit = vanishes ? SMALLEST : Math.ulp(rounded);
            double units = Math.abs(actual - expected) / unit;
            worst = Math.max(worst, Math.abs(x) < 2 ? units : 0);
            assertThat(units)
                    .describedAs("%s(%s) = %s, found %s", function, x, expected, actual)
                    .isLessThan(limit(function, x));
        }
        System.out.printf(
                "%s: at most %.2f units in the last place for |x| < 2%n", function, worst);
    }

    /// GELU's error is that of the argument of its exponential, which grows with it.
    private static double limit(ElementaryFunction function, float x) {
        return switch (function) {
            case EXP, TANH -> 2;
            case SIGMOID -> 4;
            case GELU_TANH -> 4 + 2 * Math.abs(geluArgument(x));
        };
    }

    private static double geluArgument(double x) {
        return 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
    }

    private static double gelu(double x) {
        return x / (1 + StrictMath.exp(-geluArgument(x)));
    }

    private static float[] inputs() {
        float[] x = new float[INPUTS];
        for (int i = 0; i < INPUTS; i++) {
            x[i] = Float.intBitsToFloat(i << 12);
        }
        return x;
    }

    private static String digest(float[] values) throws NoSuchAlgorithmException {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length);
        for (float value : values) {
            bytes.putInt(Float.floatToIntBits(value));
        }
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
    }
}
