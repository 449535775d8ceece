package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// The part of a recipe that says how a text helps to find codes. The text itself is named by its
/// digest: another text, another recipe.
///
/// @param tokens of the text that are read at most
/// @param bits of codes per weight, on average over the matrices in the layers: each gets the code
///   that the text shows it to need; null: all get the recipe's
/// @param text SHA-256 of the text file, 64 hex digits
public record Calibration(Method method, int tokens, Double bits, String text) {

    /// Tokens that are read unless asked otherwise.
    public static final int TOKENS = 16384;

    /// Most tokens: their activations are held in memory.
    private static final int MAX_TOKENS = 1 << 20;

    private static final Pattern CANONICAL =
            Pattern.compile(
                    "(?<method>[a-z-]{1,16}):(?<tokens>[1-9][0-9]{0,8})"
                            + "(:(?<bits>[1-9](\\.[0-9]{1,2})?))?:(?<text>[0-9a-f]{64})");

    public enum Method {
        /// Second-order error compensation with act-order, then scales and codes by turns.
        GPTQ("gptq", false, true),
        /// Activation-aware scaling: columns with large inputs are made larger before they are
        /// rounded, and their inputs smaller.
        AWQ("awq", true, false),
        /// The first of the model that the second has scaled.
        AWQ_GPTQ("awq-gptq", true, true);

        private final String label;
        private final boolean scales;
        private final boolean compensates;

        Method(String label, boolean scales, boolean compensates) {
            this.label = label;
            this.scales = scales;
            this.compensates = compensates;
        }

        /// Whether columns are scaled.
        public boolean scales() {
            return scales;
        }

        /// Whether codes make up for each other's errors.
        public boolean compensates() {
            return compensates;
        }

        /// The name that recipes and events use.
        public String label() {
            return label;
        }

        /// All names, for messages.
        public static String labels() {
            return Arrays.stream(values()).map(Method::label).collect(Collectors.joining(", "));
        }
    }

    public Calibration(Method method, int tokens, String text) {
        this(method, tokens, null, text);
    }

    public Calibration {
        if (bits != null && !(bits >= 1 && bits <= 8)) {
            throw new EngineException(
                    Reason.UNSUPPORTED, "a budget of %s bits: expected 1 to 8".formatted(bits));
        }
        if (bits != null && new BigDecimal(shown(bits)).doubleValue() != bits) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "a budget of %s bits: expected hundredths at most".formatted(bits));
        }
        if (bits != null && tokens < 2) {
            throw new EngineException(
                    Reason.UNSUPPORTED, "a budget of bits needs 2 calibration tokens at least");
        }
        if (tokens < 1 || tokens > MAX_TOKENS) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "calibration tokens: 1 to %d, not %d".formatted(MAX_TOKENS, tokens));
        }
    }

    /// The method of a name like `gptq`.
    public static Method methodOf(String label) {
        return Arrays.stream(Method.values())
                .filter(method -> method.label.equals(label))
                .findFirst()
                .orElseThrow(() ->
                        new EngineException(
                                Reason.UNSUPPORTED,
                                "calibration '%s': expected one of %s"
                                        .formatted(label, Method.labels())));
    }

    /// Reads what [#canonical] writes.
    static Optional<Calibration> parse(String text) {
        Matcher matcher = CANONICAL.matcher(text);
        return matcher.matches()
                ? Optional.of(
                        new Calibration(
                                methodOf(matcher.group("method")),
                                Integer.parseInt(matcher.group("tokens")),
                                matcher.group("bits") == null
                                        ? null
                                        : Double.valueOf(matcher.group("bits")),
                                matcher.group("text")))
                : Optional.empty();
    }

    /// `gptq:8192:`, or `gptq:8192:3.5:` with a budget of bits, and the text's digest.
    String canonical() {
        return method.label + ":" + tokens + ":" + (bits == null ? "" : shown(bits) + ":") + text;
    }

    /// In hundredths at most.
    private static String shown(double bits) {
        return BigDecimal.valueOf(bits)
                .setScale(2, RoundingMode.HALF_EVEN)
                .stripTrailingZeros()
                .toPlainString();
    }
}
