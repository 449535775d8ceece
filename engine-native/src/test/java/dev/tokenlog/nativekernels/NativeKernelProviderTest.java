package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.compute.KernelProbe;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.ScalarKernels;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// A processor that has none of the tiers, for instance one without AVX2.
class NativeKernelProviderTest {

    private static final Kernels PORTABLE = new ScalarKernels();

    private static final List<KernelProbe> OLD_PROCESSOR =
            NativeKernelProvider.probe(
                    List.of(
                            new NativeLibrary.Tier(0, "avx512vnni", false),
                            new NativeLibrary.Tier(1, "avx2", false)),
                    PORTABLE);

    @Test
    void nothingNativeIsUsableAndTheReasonNamesWhatIsMissing() {
        assertThat(OLD_PROCESSOR)
                .extracting(KernelProbe::name)
                .containsExactly("native", "native-avx512vnni", "native-avx2");
        assertThat(OLD_PROCESSOR.getFirst())
                .isEqualTo(
                        new KernelProbe.Unusable(
                                "native",
                                "native-avx512vnni: this processor does not have it,"
                                        + " native-avx2: this processor does not have it",
                                "use a processor with AVX2, FMA and F16C, or with NEON"));
    }

    @Test
    void itFallsBackVisibly() {
        List<KernelProbe> probes = new ArrayList<>(OLD_PROCESSOR);
        probes.add(new KernelProbe.Usable("scalar", "the reference", PORTABLE));

        KernelSelection selection = KernelSelection.select("auto", probes);

        assertThat(selection.kernels()).isSameAs(PORTABLE);
        assertThat(selection.explanation())
                .startsWith("compute: SCALAR the reference; skipped NATIVE: ")
                .contains("native-avx2: this processor does not have it")
                .contains("(use a processor with AVX2, FMA and F16C, or with NEON)");
    }

    @Test
    void forcedItIsRefused() {
        for (String forced : List.of("native", "native-avx2")) {
            assertThatThrownBy(() -> KernelSelection.select(forced, OLD_PROCESSOR))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e -> assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED))
                    .hasMessageContaining("tokenlog.compute=" + forced + " cannot be used")
                    .hasMessageContaining("this processor does not have it");
        }
    }
}
