package dev.tokenlog.engine.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.List;
import org.junit.jupiter.api.Test;

class KernelSelectionTest {

    private static final KernelProbe USABLE =
            new KernelProbe.Usable("slow", "plain", new ScalarKernels());
    private static final KernelProbe UNUSABLE =
            new KernelProbe.Unusable("fast", "no such unit", "buy one");

    @Test
    void automaticTakesTheFirstUsableAndSaysWhatItSkipped() {
        KernelSelection selection = KernelSelection.select("auto", List.of(UNUSABLE, USABLE));

        assertThat(selection.explanation())
                .isEqualTo(
                        "compute: SLOW plain; skipped FAST: no such unit (buy one);"
                                + " override: tokenlog.compute=...");
    }

    @Test
    void aNamedChoiceFailsLoudly() {
        assertThatThrownBy(() -> KernelSelection.select("fast", List.of(UNUSABLE, USABLE)))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED))
                .hasMessage("tokenlog.compute=fast cannot be used: no such unit (buy one)");
    }

    @Test
    void anUnknownChoiceNamesTheKnownOnes() {
        assertThatThrownBy(() -> KernelSelection.select("magic"))
                .isInstanceOf(EngineException.class)
                .hasMessage("tokenlog.compute=magic is not one of auto, native, vector, scalar");
    }

    @Test
    void thisMachineUsesVectors() {
        assertThat(KernelSelection.select("auto").kernels()).isInstanceOf(VectorKernels.class);
        assertThat(KernelSelection.select("scalar").kernels()).isInstanceOf(ScalarKernels.class);
    }

    @Test
    void aProviderComesFirstAndItsFurtherKernelsOnlyByName() {
        KernelProvider provider =
                portable ->
                        List.of(
                                USABLE,
                                new KernelProbe.Usable("slow-old", "slower", new ScalarKernels()));

        List<KernelProbe> probes = KernelProbes.all(List.of(provider));

        assertThat(probes)
                .extracting(KernelProbe::name)
                .containsExactly("slow", "vector", "scalar", "slow-old");
        assertThat(KernelSelection.select("auto", probes).explanation()).contains("SLOW plain");
        assertThat(KernelSelection.select("slow-old", probes).explanation()).contains("slower");
    }

    @Test
    void wrongProductsAreFoundOut() {
        KernelProbe probe = KernelProbes.probe("wrong", () -> new WrongKernels());

        assertThat(probe)
                .isInstanceOfSatisfying(
                        KernelProbe.Unusable.class,
                        unusable ->
                                assertThat(unusable.reason())
                                        .isEqualTo(
                                                "a known product is -22.5 but came out as -21.5"));
    }

    @Test
    void kernelsThatCannotBeLoadedAreAReasonAndNoException() {
        KernelProbe probe =
                KernelProbes.probe(
                        "absent",
                        () -> {
                            throw new NoClassDefFoundError("some/Library");
                        });

        assertThat(probe)
                .isInstanceOfSatisfying(
                        KernelProbe.Unusable.class,
                        unusable -> assertThat(unusable.reason()).contains("some/Library"));
    }

    /// A Java machine that was not asked for the incubator module.
    @Test
    void withoutTheVectorModuleItFallsBackToScalar() throws Exception {
        ChildJava child = ChildJava.run(List.of(PrintSelection.class.getName()));

        assertThat(child.exitCode()).describedAs(child.output()).isZero();
        assertThat(child.output())
                .contains(
                        "compute: SCALAR scalar; skipped NATIVE: the module engine-native is not there"
                                + " (put it on the class path); skipped VECTOR: the module"
                                + " jdk.incubator.vector is not there (start Java with"
                                + " --add-modules=jdk.incubator.vector)");
    }

    static final class PrintSelection {
        public static void main(String[] arguments) {
            System.out.println(KernelSelection.select("auto").explanation());
        }
    }
}
