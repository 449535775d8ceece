package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// The part of a recipe that says how a model is rotated before it is quantized: see
/// [RotatedModel].
///
/// @param seed of the random signs
public record Rotation(Kind kind, int seed) {

    private static final Pattern CANONICAL =
            Pattern.compile("(?<kind>[a-z-]{1,32})(:(?<seed>0|[1-9][0-9]{0,8}))?");

    public enum Kind {
        /// The residual stream, and values head by head.
        HADAMARD("hadamard"),
        /// Values only: a tied model stays tied, and every family can do it.
        HADAMARD_HEADS("hadamard-heads");

        private final String label;

        Kind(String label) {
            this.label = label;
        }

        /// The name that recipes and events use.
        public String label() {
            return label;
        }
    }

    public Rotation {
        if (seed < 0) {
            throw new EngineException(Reason.UNSUPPORTED, "rotation seed " + seed + ": below 0");
        }
    }

    /// Reads what [#canonical] writes; without a seed it is 0.
    ///
    /// @throws EngineException `UNSUPPORTED`
    public static Rotation parse(String text) {
        Matcher matcher = CANONICAL.matcher(text);
        if (matcher.matches()) {
            for (Kind kind : Kind.values()) {
                if (kind.label.equals(matcher.group("kind"))) {
                    String seed = matcher.group("seed");
                    return new Rotation(kind, seed == null ? 0 : Integer.parseInt(seed));
                }
            }
        }
        throw new EngineException(
                Reason.UNSUPPORTED,
                "rotation '%s': expected %s, with a seed after a colon or without"
                        .formatted(
                                text,
                                Arrays.stream(Kind.values())
                                        .map(Kind::label)
                                        .collect(Collectors.joining(" or "))));
    }

    /// `hadamard:0`.
    public String canonical() {
        return kind.label + ":" + seed;
    }
}
