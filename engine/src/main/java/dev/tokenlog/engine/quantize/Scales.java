package dev.tokenlog.engine.quantize;

import java.util.Arrays;
import java.util.Optional;

/// How the scale of a group is found.
public enum Scales {
    /// From the element of largest magnitude.
    ABSMAX("absmax"),

    /// The F16 number near that one with the least squared error.
    LEAST_SQUARES("lsq");

    private final String label;

    Scales(String label) {
        this.label = label;
    }

    /// The name that recipes and events use.
    public String label() {
        return label;
    }

    public static Optional<Scales> of(String label) {
        return Arrays.stream(values()).filter(scales -> scales.label.equals(label)).findFirst();
    }
}
