package dev.tokenlog.engine.compute;

import dev.tokenlog.engine.EngineException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Which kernels compute, and why.
///
/// @param kernels the choice
/// @param explanation one line for the log, the health page and the worker's ready event
public record KernelSelection(Kernels kernels, String explanation) {

    /// The configuration key that overrides the automatic choice.
    public static final String KEY = "tokenlog.compute";

    /// The choice that leaves it to the probes.
    public static final String AUTOMATIC = "auto";

    /// Probes this machine and chooses.
    ///
    /// @param choice `auto`, or the name of one kind of kernels: `native`, `vector`, `scalar`
    /// @throws EngineException if a named choice is unknown or cannot be used here
    public static KernelSelection select(String choice) {
        return select(choice, KernelProbes.all());
    }

    /// The rule alone: the first usable probe, or exactly the one that was named.
    ///
    /// @param probes in order of preference
    public static KernelSelection select(String choice, List<KernelProbe> probes) {
        return choice.equals(AUTOMATIC) ? automatic(probes) : named(choice, probes);
    }

    private static KernelSelection automatic(List<KernelProbe> probes) {
        List<String> skipped = new ArrayList<>();
        for (KernelProbe probe : probes) {
            switch (probe) {
                case KernelProbe.Usable usable -> {
                    String line = describe(usable) + String.join("", skipped);
                    return new KernelSelection(
                            usable.kernels(), line + "; override: " + KEY + "=...");
                }
                case KernelProbe.Unusable unusable ->
                        skipped.add(
                                "; skipped "
                                        + unusable.name().toUpperCase(Locale.ROOT)
                                        + ": "
                                        + why(unusable));
            }
        }
        throw new EngineException(
                EngineException.Reason.UNSUPPORTED,
                "no kernels can be used on this machine" + String.join("", skipped));
    }

    private static KernelSelection named(String choice, List<KernelProbe> probes) {
        for (KernelProbe probe : probes) {
            if (probe.name().equals(choice)) {
                return switch (probe) {
                    case KernelProbe.Usable usable ->
                            new KernelSelection(
                                    usable.kernels(),
                                    describe(usable) + "; chosen by " + KEY + "=" + choice);
                    case KernelProbe.Unusable unusable ->
                            throw new EngineException(
                                    EngineException.Reason.UNSUPPORTED,
                                    KEY + "=" + choice + " cannot be used: " + why(unusable));
                };
            }
        }
        throw new EngineException(
                EngineException.Reason.PARAMETER_OUT_OF_RANGE,
                KEY
                        + "="
                        + choice
                        + " is not one of "
                        + AUTOMATIC
                        + ", "
                        + String.join(", ", probes.stream().map(KernelProbe::name).toList()));
    }

    private static String describe(KernelProbe.Usable probe) {
        return "compute: " + probe.name().toUpperCase(Locale.ROOT) + " " + probe.detail();
    }

    private static String why(KernelProbe.Unusable probe) {
        return probe.reason() + " (" + probe.remedy() + ")";
    }
}
