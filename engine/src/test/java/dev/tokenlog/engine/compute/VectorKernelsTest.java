package dev.tokenlog.engine.compute;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Vector kernels give the bits of the scalar reference, whatever the shape and however wide the
/// vectors.
class VectorKernelsTest {

    @Test
    void sameBitsAsScalar() {
        long seed = new Random().nextLong();
        try {
            new KernelCases(new VectorKernels(), seed).all();
        } catch (AssertionError difference) {
            throw new AssertionError("seed " + seed + ": " + difference.getMessage(), difference);
        }
    }

    /// Another Java machine that is told to use narrower vectors.
    @ParameterizedTest
    @CsvSource({"16, 128", "32, 256"})
    void sameBitsOnNarrowerVectors(int bytes, int bits) throws Exception {
        ChildJava child =
                ChildJava.run(
                        List.of(
                                "--add-modules=jdk.incubator.vector",
                                "-XX:MaxVectorSize=" + bytes,
                                KernelCases.class.getName()));

        assertThat(child.output()).contains("vector " + bits + " bit");
        assertThat(child.exitCode()).describedAs(child.output()).isZero();
    }
}
