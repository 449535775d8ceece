package dev.tokenlog.cli;

import dev.tokenlog.contracts.PromptEvent.Builder;
import dev.tokenlog.contracts.UnsignedSeed;
import java.math.BigInteger;
import java.util.List;
import picocli.CommandLine.Option;

/// How tokens are chosen. What is left out is the worker's default; what is out of range is refused
/// by the worker, with a code.
final class SamplingOptions {

    @Option(names = "--max-tokens", paramLabel = "N", description = "At most this many tokens.")
    private Integer maxTokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "0 to 2; 0 takes the likeliest token.")
    private Double temperature;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Only the likeliest tokens that together have this probability.")
    private Double topP;

    @Option(names = "--top-k", paramLabel = "K", description = "Only the K likeliest tokens.")
    private Integer topK;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description =
                    "Only tokens with at least this share of the likeliest one's probability.")
    private Double minP;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Unsigned 64-bit number: the same seed gives the same tokens.")
    private BigInteger seed;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description = "A text that ends the answer; may be given several times.")
    private List<String> stop;

    Builder apply(Builder prompt) {
        return prompt.maxTokens(maxTokens)
                .temperature(finite("--temperature", temperature))
                .topP(finite("--top-p", topP))
                .topK(topK)
                .minP(finite("--min-p", minP))
                .seed(seed())
                .stop(stop);
    }

    private UnsignedSeed seed() {
        if (seed == null) {
            return null;
        }
        try {
            return UnsignedSeed.of(seed);
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE,
                    "--seed %s is not an unsigned 64-bit number".formatted(seed),
                    e);
        }
    }

    /// JSON has no way to write the others.
    private static Double finite(String option, Double value) {
        if (value != null && !Double.isFinite(value)) {
            throw CommandFailure.usage("%s must be a number, was %s".formatted(option, value));
        }
        return value;
    }
}
