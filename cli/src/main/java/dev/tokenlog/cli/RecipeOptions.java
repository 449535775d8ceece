package dev.tokenlog.cli;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.artifact.Recipe;
import picocli.CommandLine.Option;

/// How to quantize, as `convert` and `quantize` ask for it.
final class RecipeOptions {

    @Option(names = "--bits", paramLabel = "N", description = "4 or 8 (default: 4).")
    private String bits;

    @Option(
            names = "--group-size",
            paramLabel = "N",
            description = "Columns that share a scale: 32, 64 or 128 (default: 32).")
    private Integer groupSize;

    @Option(
            names = "--recipe",
            paramLabel = "TEXT",
            description =
                    "The whole recipe in one word, like int4-g32-absmax, in place of the others.")
    private String canonical;

    Recipe recipe() {
        if (canonical != null) {
            if (bits != null || groupSize != null) {
                throw CommandFailure.usage(
                        "--recipe says everything: leave out --bits and --group-size");
            }
        }
        try {
            return canonical != null
                    ? Recipe.parse(canonical)
                    : Recipe.of(Recipe.codeOf(code()), groupSize == null ? 32 : groupSize);
        } catch (EngineException e) {
            // What was typed is wrong, not the model.
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    private String code() {
        String given = bits == null ? "4" : bits;
        return switch (given) {
            case "4" -> "int4";
            case "8" -> "int8";
            default ->
                    throw CommandFailure.usage(
                            "--bits %s: this version converts to 4 or 8 bits".formatted(given));
        };
    }
}
