package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How to quantize: every option that can change a byte of the result.
///
/// @param code of the matrices in the layers
/// @param groupSize columns that share a scale: 32, 64 or 128; [#PER_ROW] for one scale per row
/// @param embeddingCode of the embedding and the head
/// @param scales how scales are found
public record Recipe(NumberCode code, int groupSize, NumberCode embeddingCode, Scales scales) {

    /// The group size that means one scale per row.
    public static final int PER_ROW = 0;

    private static final Pattern CANONICAL =
            Pattern.compile(
                    "(?<code>[a-z0-9]+)(-(?<group>g[1-9][0-9]{0,5}|row))?(-(?<scales>[a-z]+))?"
                            + "(,embedding=(?<embedding>[a-z0-9]+))?");

    /// How the scale of a group is found.
    public enum Scales {
        /// From the element of largest magnitude; codes by rounding to nearest.
        ABSMAX("absmax");

        private final String label;

        Scales(String label) {
            this.label = label;
        }

        public String label() {
            return label;
        }
    }

    public Recipe {
        if (groupSize != PER_ROW && groupSize != 32 && groupSize != 64 && groupSize != 128) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "group size " + groupSize + ": expected 32, 64, 128 or one scale per row");
        }
    }

    /// The usual recipe of a code: groups of 32, absolute maximum, embedding and head at 8 bits.
    public static Recipe of(NumberCode code) {
        return of(code, 32);
    }

    public static Recipe of(NumberCode code, int groupSize) {
        return new Recipe(code, groupSize, usualEmbeddingCode(code), Scales.ABSMAX);
    }

    /// Reads what [#canonical] writes; group, scales and embedding may be missing: `int4` is
    /// `int4-g32-absmax`.
    public static Recipe parse(String text) {
        Matcher matcher = CANONICAL.matcher(text);
        if (!matcher.matches()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "recipe '" + text + "': expected for instance int4-g32-absmax");
        }
        NumberCode code = codeOf(matcher.group("code"));
        String group = matcher.group("group");
        int groupSize =
                group == null
                        ? 32
                        : group.equals("row") ? PER_ROW : Integer.parseInt(group.substring(1));
        String scales = matcher.group("scales");
        if (scales != null && !scales.equals(Scales.ABSMAX.label())) {
            throw new EngineException(
                    Reason.UNSUPPORTED, "scales '" + scales + "': expected absmax");
        }
        String embedding = matcher.group("embedding");
        NumberCode embeddingCode = embedding == null ? usualEmbeddingCode(code) : codeOf(embedding);
        return new Recipe(code, groupSize, embeddingCode, Scales.ABSMAX);
    }

    /// The code of a name like `int4`.
    public static NumberCode codeOf(String label) {
        for (NumberCode code : NumberCode.values()) {
            if (code.label().equals(label)) {
                return code;
            }
        }
        throw new EngineException(
                Reason.UNSUPPORTED, "number code '" + label + "': expected int8 or int4");
    }

    /// One short line that says everything: `int4-g32-absmax`, `int8-row-absmax`,
    /// `int4-g32-absmax,embedding=int4`.
    public String canonical() {
        String text = code.label() + "-" + groupLabel(groupSize) + "-" + scales.label();
        return embeddingCode == usualEmbeddingCode(code)
                ? text
                : text + ",embedding=" + embeddingCode.label();
    }

    /// `g32` or `row`.
    static String groupLabel(int groupSize) {
        return groupSize == PER_ROW ? "row" : "g" + groupSize;
    }

    private static NumberCode usualEmbeddingCode(NumberCode code) {
        return code.bits() <= 4 ? NumberCode.INT8 : code;
    }
}
