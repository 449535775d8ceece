package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.quantize.Scales;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// How to quantize: every option that can change a byte of the result.
///
/// @param code of the matrices in the layers
/// @param groupSize columns that share a scale: 32, 64 or 128; [#PER_ROW] for one scale per row
/// @param embeddingCode of the embedding and the head
/// @param scales how scales are found without a text
/// @param calibration how a text helps to find the codes of the matrices in the layers; null: none
///   does
/// @param rotation of the model before anything else; null: none
/// @param lossySparsity percent of each row of the matrices in the layers, those of least
///   magnitude, that become 0 before they are quantized; 0: none
public record Recipe(
        NumberCode code,
        int groupSize,
        NumberCode embeddingCode,
        Scales scales,
        Calibration calibration,
        Rotation rotation,
        int lossySparsity) {

    /// The group size that means one scale per row.
    public static final int PER_ROW = 0;

    private static final int MAX_SPARSITY = 95;

    private static final Pattern CANONICAL =
            Pattern.compile(
                    "(?<code>%1$s|[a-z0-9]+)(-(?<group>g[1-9][0-9]{0,5}|row))?(-(?<scales>[a-z]+))?"
                            .concat("(,embedding=(?<embedding>%1$s|[a-z0-9]+))?")
                            .concat("(,rotation=(?<rotation>[a-z0-9:-]+))?")
                            .concat("(,lossy-sparsity=(?<sparsity>[1-9][0-9]?))?")
                            .concat("(,calibration=(?<calibration>[a-z0-9:.-]+))?")
                            .formatted(
                                    Arrays.stream(NumberCode.values())
                                            .map(NumberCode::label)
                                            .collect(Collectors.joining("|"))));

    public Recipe {
        if (groupSize != PER_ROW && groupSize != 32 && groupSize != 64 && groupSize != 128) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "group size " + groupSize + ": expected 32, 64, 128 or one scale per row");
        }
        requireKnows(code, scales);
        requireKnows(embeddingCode, scales);
        if (lossySparsity != 0) {
            requireSparse(code, calibration, lossySparsity);
        }
    }

    private static void requireSparse(NumberCode code, Calibration calibration, int percent) {
        if (percent < 1 || percent > MAX_SPARSITY) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "lossy sparsity %d: expected 1 to %d percent".formatted(percent, MAX_SPARSITY));
        }
        if (!GroupCode.of(code).hasZero()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "lossy sparsity: %s has no code for 0".formatted(code.label()));
        }
        if (calibration != null) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "lossy sparsity with calibration: codes that make up for each other leave no"
                            + " zeros");
        }
    }

    private static void requireKnows(NumberCode code, Scales scales) {
        List<Scales> known = GroupCode.of(code).scales();
        if (!known.contains(scales)) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "scales '%s' of %s: expected %s"
                            .formatted(scales.label(), code.label(), known.getFirst().label()));
        }
    }

    /// A recipe without a text.
    public Recipe(NumberCode code, int groupSize, NumberCode embeddingCode, Scales scales) {
        this(code, groupSize, embeddingCode, scales, null, null, 0);
    }

    /// The same of a rotated model.
    ///
    /// @param wanted null: as it is
    public Recipe rotated(Rotation wanted) {
        return new Recipe(
                code, groupSize, embeddingCode, scales, calibration, wanted, lossySparsity);
    }

    /// The same with zeros in place of the weights of least magnitude.
    ///
    /// @param percent of each row; 0: none
    public Recipe sparse(int percent) {
        return new Recipe(code, groupSize, embeddingCode, scales, calibration, rotation, percent);
    }

    /// The same with the help of a text. What the text does not help with, gets scales by least
    /// squares where the codes know them.
    public Recipe calibrated(Calibration text) {
        boolean searches =
                GroupCode.of(code).scales().contains(Scales.LEAST_SQUARES)
                        && GroupCode.of(embeddingCode).scales().contains(Scales.LEAST_SQUARES);
        return new Recipe(
                code,
                groupSize,
                embeddingCode,
                searches ? Scales.LEAST_SQUARES : scales,
                text,
                rotation,
                lossySparsity);
    }

    /// The usual recipe of a code: groups of 32, embedding and head at 8 bits.
    public static Recipe of(NumberCode code) {
        return of(code, 32);
    }

    public static Recipe of(NumberCode code, int groupSize) {
        return new Recipe(code, groupSize, usualEmbeddingCode(code), usualScales(code));
    }

    /// 8 bits are asked for to lose as little as can be, and a search costs nothing later; see
    /// `docs/decisions/0035-least-squares-at-8-bits.md`.
    public static Scales usualScales(NumberCode code) {
        return switch (code) {
            case INT8, INT2 -> Scales.LEAST_SQUARES;
            default -> GroupCode.of(code).scales().getFirst();
        };
    }

    /// Reads what [#canonical] writes; group, scales and embedding may be missing: `int4` is
    /// `int4-g32-absmax`, `int8` is `int8-g32-lsq`.
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
        String label = matcher.group("scales");
        Scales scales = label == null ? usualScales(code) : scalesOf(label);
        String embedding = matcher.group("embedding");
        NumberCode embeddingCode = embedding == null ? usualEmbeddingCode(code) : codeOf(embedding);
        String calibration = matcher.group("calibration");
        String rotation = matcher.group("rotation");
        String sparsity = matcher.group("sparsity");
        return new Recipe(
                code,
                groupSize,
                embeddingCode,
                scales,
                calibration == null ? null : calibrationOf(calibration),
                rotation == null ? null : Rotation.parse(rotation),
                sparsity == null ? 0 : Integer.parseInt(sparsity));
    }

    private static Calibration calibrationOf(String text) {
        return Calibration.parse(text)
                .orElseThrow(() ->
                        new EngineException(
                                Reason.UNSUPPORTED,
                                "calibration '%s': expected METHOD:TOKENS:SHA256".formatted(text)));
    }

    /// How scales are found, of a name like `absmax`.
    public static Scales scalesOf(String label) {
        return Scales.of(label)
                .orElseThrow(() ->
                        new EngineException(
                                Reason.UNSUPPORTED,
                                "scales '" + label + "': expected absmax or lsq"));
    }

    /// The code of a name like `int4`.
    public static NumberCode codeOf(String label) {
        return NumberCode.of(label)
                .orElseThrow(() ->
                        new EngineException(
                                Reason.UNSUPPORTED,
                                "number code '%s': expected %s"
                                        .formatted(
                                                label,
                                                Arrays.stream(NumberCode.values())
                                                        .map(NumberCode::label)
                                                        .collect(Collectors.joining(", ")))));
    }

    /// One short line that says everything: `int4-g32-absmax`, `int8-row-lsq`,
    /// `int4-g32-absmax,embedding=int4`, `int4-g32-absmax,rotation=hadamard:0`.
    public String canonical() {
        String text = code.label() + "-" + groupLabel(groupSize) + "-" + scales.label();
        if (embeddingCode != usualEmbeddingCode(code)) {
            text += ",embedding=" + embeddingCode.label();
        }
        if (rotation != null) {
            text += ",rotation=" + rotation.canonical();
        }
        if (lossySparsity != 0) {
            text += ",lossy-sparsity=" + lossySparsity;
        }
        return calibration == null ? text : text + ",calibration=" + calibration.canonical();
    }

    /// `g32` or `row`.
    static String groupLabel(int groupSize) {
        return groupSize == PER_ROW ? "row" : "g" + groupSize;
    }

    private static NumberCode usualEmbeddingCode(NumberCode code) {
        return code.bits() <= 4 ? NumberCode.INT8 : code;
    }
}
