package dev.tokenlog.nativekernels;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.compute.KernelCases;
import dev.tokenlog.engine.compute.KernelProbe;
import dev.tokenlog.engine.compute.KernelProbes;
import dev.tokenlog.engine.compute.ScalarKernels;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every tier that this processor has gives the bits of the scalar reference, whatever the shape,
/// from weights and a KV cache that end where memory ends.
class NativeKernelsTest {

    /// Each with other sizes, ranges of rows and group sizes.
    private static final int ROUNDS = 3;

    static Stream<KernelProbe> tiers() {
        return new NativeKernelProvider().probe(new ScalarKernels()).stream();
    }

    @ParameterizedTest
    @MethodSource("tiers")
    void sameBitsAsScalar(KernelProbe probe) {
        switch (probe) {
            case KernelProbe.Unusable unusable ->
                    assumeTrue(false, unusable.name() + ": " + unusable.reason());
            case KernelProbe.Usable usable -> {
                for (int round = 0; round < ROUNDS; round++) {
                    compare(usable, new Random().nextLong());
                }
            }
        }
    }

    private static void compare(KernelProbe.Usable usable, long seed) {
        try {
            KernelCases cases = new KernelCases(usable.kernels(), seed, GuardedMemory::allocate);
            cases.products();
            cases.betweenProducts();
            cases.attention();
        } catch (AssertionError difference) {
            throw new AssertionError(
                    usable.detail() + ", seed " + seed + ": " + difference.getMessage(),
                    difference);
        }
    }

    /// What is chosen by itself, with the kernels that do what it does not.
    @Test
    void everythingOfTheChosenOne() {
        KernelProbe probe = KernelProbes.all().getFirst();
        assumeTrue(probe instanceof KernelProbe.Usable, probe.toString());

        new KernelCases(((KernelProbe.Usable) probe).kernels(), 1).all();
    }
}
