package dev.tokenlog.cli;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.artifact.Recipe;
import picocli.CommandLine.Option;

/// How to quantize, as `convert` and `quantize` ask for it.
final class RecipeOptions {

    @Option(
            names = "--bits",
            paramLabel = "N",
            description = "8, 4, 2, 1.6 (ternary) or 1 (default: 4): the usual code of that width.")
    private String bits;

    @Option(
            names = "--code",
            paramLabel = "NAME",
            description =
                    "The number code: int8, int4, int2, asymmetric uint8, uint4, uint2, ternary, int1,"
                            + " qins8-log, qins9-log, qins8-inv, qins8-proj, qins4.")
    private String code;

    @Option(
            names = "--granularity",
            paramLabel = "WHAT",
            description =
                    "Weights that share a scale: g32, g64 or g128 columns of a row, or row, also"
                            + " called channel (default: g32).")
    private String granularity;

    @Option(
            names = "--group-size",
            paramLabel = "N",
            description = "32, 64 or 128: the same as --granularity gN.")
    private Integer groupSize;

    @Option(
            names = "--recipe",
            paramLabel = "TEXT",
            description =
                    "The whole recipe in one word, like int4-g32-absmax, in place of the others.")
    private String canonical;

    Recipe recipe() {
        if (canonical != null && (bits != null || code != null || groups() != null)) {
            throw CommandFailure.usage(
                    "--recipe says everything: leave out --bits, --code and --granularity");
        }
        if (bits != null && code != null) {
            throw CommandFailure.usage("--bits and --code both name a number code: give one");
        }
        try {
            return canonical != null
                    ? Recipe.parse(canonical)
                    : Recipe.of(Recipe.codeOf(code()), groups() == null ? 32 : groups());
        } catch (EngineException e) {
            // What was typed is wrong, not the model.
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    /// Columns that share a scale; null: nobody said.
    private Integer groups() {
        if (granularity == null) {
            return groupSize;
        }
        if (groupSize != null) {
            throw CommandFailure.usage("--granularity and --group-size say the same: give one");
        }
        return switch (granularity) {
            case "row", "channel" -> Recipe.PER_ROW;
            case "g32" -> 32;
            case "g64" -> 64;
            case "g128" -> 128;
            default ->
                    throw CommandFailure.usage(
                            "--granularity %s: expected g32, g64, g128, row or channel"
                                    .formatted(granularity));
        };
    }

    private String code() {
        if (code != null) {
            return code;
        }
        String given = bits == null ? "4" : bits;
        return switch (given) {
            case "8", "4", "2", "1" -> "int" + given;
            case "1.6", "1.58" -> "ternary";
            default ->
                    throw CommandFailure.usage(
                            "--bits %s: this version converts to 8, 4, 2, 1.6 or 1 bits"
                                    .formatted(given));
        };
    }
}
