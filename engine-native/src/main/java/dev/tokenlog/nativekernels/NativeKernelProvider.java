package dev.tokenlog.nativekernels;

import dev.tokenlog.engine.compute.KernelProbe;
import dev.tokenlog.engine.compute.KernelProbes;
import dev.tokenlog.engine.compute.KernelProvider;
import dev.tokenlog.engine.compute.Kernels;
import java.util.ArrayList;
import java.util.List;

/// `native`, the best tier of instructions that this processor has, and every tier by its own name,
/// for instance `native-avx2`.
public final class NativeKernelProvider implements KernelProvider {

    private static final String NAME = "native";

    @Override
    public List<KernelProbe> probe(Kernels portable) {
        return switch (LoadedLibrary.RESULT) {
            case NativeLibrary.Missing missing ->
                    List.of(new KernelProbe.Unusable(NAME, missing.reason(), missing.remedy()));
            case NativeLibrary.Loaded loaded -> probe(loaded.library().tiers(), portable);
        };
    }

    static List<KernelProbe> probe(List<NativeLibrary.Tier> tiers, Kernels portable) {
        List<KernelProbe> probes = new ArrayList<>();
        for (NativeLibrary.Tier tier : tiers) {
            String name = NAME + "-" + tier.name();
            probes.add(
                    tier.usable()
                            ? KernelProbes.probe(name, () -> new NativeKernels(tier, portable))
                            : new KernelProbe.Unusable(
                                    name, "this processor does not have it", "choose another"));
        }
        List<KernelProbe> all = new ArrayList<>();
        all.add(best(probes));
        all.addAll(probes);
        return all;
    }

    /// The first usable tier under the name of them all.
    private static KernelProbe best(List<KernelProbe> tiers) {
        List<String> reasons = new ArrayList<>();
        for (KernelProbe tier : tiers) {
            switch (tier) {
                case KernelProbe.Usable usable -> {
                    return new KernelProbe.Usable(NAME, usable.detail(), usable.kernels());
                }
                case KernelProbe.Unusable unusable ->
                        reasons.add(unusable.name() + ": " + unusable.reason());
            }
        }
        return new KernelProbe.Unusable(
                NAME,
                String.join(", ", reasons),
                "use a processor with AVX2, FMA and F16C, or with NEON");
    }
}
