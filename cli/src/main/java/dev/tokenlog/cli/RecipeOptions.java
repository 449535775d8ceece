package dev.tokenlog.cli;

import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.Rotation;
import dev.tokenlog.engine.calibrate.CalibrationFile;
import dev.tokenlog.engine.tensor.NumberCode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Option;

/// How to quantize, as `convert` and `quantize` ask for it.
final class RecipeOptions {

    private static final Set<String> WIDTHS = Set.of("8", "4", "2", "1.6", "1.58", "1");

    @Option(
            names = "--bits",
            paramLabel = "N",
            description =
                    "8, 4, 2, 1.6 (ternary) or 1 (default: 4, or the own codes of a folder, not of a GGUF"
                            + " file, that is quantized already): the usual code of that width. Any"
                            + " other number from 2 to 8, like 3.5, is a budget: each matrix gets the"
                            + " code that the calibration text shows it to need.")
    private String bits;

    @Option(
            names = "--code",
            paramLabel = "NAME",
            completionCandidates = Codes.class,
            description = "The number code: ${COMPLETION-CANDIDATES} (u... are asymmetric).")
    private String code;

    static final class Codes implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return Arrays.stream(NumberCode.values()).map(NumberCode::label).iterator();
        }
    }

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

    @Option(
            names = "--calibrate",
            paramLabel = "METHOD",
            description =
                    "Finds codes with the help of a text: gptq, awq or awq-gptq (default: none;"
                            + " scales come from the weights alone).")
    private String calibrate;

    @Option(
            names = "--calibration-text",
            paramLabel = "FILE",
            description =
                    "Text to calibrate by, a JSON object with messages on each line, a file that"
                            + " the worker sees as well (default: the bundled one).")
    private Path calibrationText;

    @Option(
            names = "--calibration-tokens",
            paramLabel = "N",
            description = "Tokens of it that are read at most (default: 16384).")
    private Integer calibrationTokens;

    @Option(
            names = "--rotate",
            paramLabel = "WHAT",
            description =
                    "Rotates the model at random before it is quantized, folded into the weights:"
                            + " hadamard (residual stream and values; a tied model gets a head of"
                            + " its own) or hadamard-heads (values only), with a seed like"
                            + " hadamard:7 (default: none).")
    private String rotate;

    @Option(
            names = "--lossy-sparsity",
            paramLabel = "PERCENT",
            description =
                    "Loses the PERCENT (1 to 95) weights of least magnitude of each row of the layers'"
                            + " matrices: they become 0, so that 'pack' makes the artifact smaller"
                            + " (default: none).")
    private int lossySparsity;

    /// The text to calibrate by, if one is asked for.
    Optional<CalibrationFile> calibrationFile() {
        if (method() == null) {
            if (calibrationText != null || calibrationTokens != null) {
                throw CommandFailure.usage(
                        "--calibration-text and --calibration-tokens need --calibrate");
            }
            return Optional.empty();
        }
        return Optional.of(
                calibrationText == null
                        ? CalibrationFile.bundled()
                        : CalibrationFile.of(calibrationText));
    }

    /// Whether nothing was said: then a source that somebody else has quantized keeps its codes.
    boolean isUnstated() {
        return bits == null
                && code == null
                && groups() == null
                && canonical == null
                && rotate == null
                && lossySparsity == 0
                && method() == null;
    }

    Recipe recipe() {
        Optional<CalibrationFile> text = calibrationFile();
        Recipe uncalibrated = uncalibrated();
        return text.isEmpty() ? uncalibrated : calibrated(uncalibrated, text.get());
    }

    private Recipe calibrated(Recipe recipe, CalibrationFile text) {
        try {
            return recipe.calibrated(
                    new Calibration(
                            Calibration.methodOf(method()),
                            calibrationTokens == null ? Calibration.TOKENS : calibrationTokens,
                            budget(),
                            text.sha256()));
        } catch (EngineException e) {
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    /// What a worker is asked for: it reads the text itself.
    ConversionRequest.Calibration requestedCalibration() {
        if (method() == null) {
            calibrationFile(); // refuses options that mean nothing
            return null;
        }
        methodOf(method());
        return new ConversionRequest.Calibration(
                method(),
                calibrationText == null ? null : calibrationText.toAbsolutePath().toString(),
                calibrationTokens,
                budget());
    }

    private static Calibration.Method methodOf(String label) {
        try {
            return Calibration.methodOf(label);
        } catch (EngineException e) {
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    /// What a request can say: code, granularity and scales; calibration stands beside them.
    Recipe requestable() {
        Recipe recipe = uncalibrated();
        Recipe usual = Recipe.of(recipe.code(), recipe.groupSize());
        if (recipe.calibration() != null || recipe.embeddingCode() != usual.embeddingCode()) {
            throw CommandFailure.usage(
                    "--recipe %s: a request says neither calibration (give --calibrate) nor the code of the embedding"
                            .formatted(canonical));
        }
        if (recipe.lossySparsity() != 0 && method() != null) {
            throw CommandFailure.usage("--lossy-sparsity goes with no calibration");
        }
        return recipe;
    }

    Recipe uncalibrated() {
        boolean parts =
                bits != null
                        || code != null
                        || groups() != null
                        || rotate != null
                        || lossySparsity != 0;
        if (canonical != null && parts) {
            throw CommandFailure.usage(
                    "--recipe says everything: leave out --bits, --code, --granularity,"
                            + " --rotate and --lossy-sparsity");
        }
        if (bits != null && code != null) {
            throw CommandFailure.usage("--bits and --code both name a number code: give one");
        }
        try {
            if (canonical != null) {
                return Recipe.parse(canonical);
            }
            return Recipe.of(Recipe.codeOf(code()), groups() == null ? 32 : groups())
                    .rotated(rotate == null ? null : Rotation.parse(rotate))
                    .sparse(lossySparsity);
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

    /// A budget needs a text.
    private String method() {
        return calibrate == null && budget() != null ? Calibration.Method.GPTQ.label() : calibrate;
    }

    /// Bits per weight that are no code's; null: a code's, or none given.
    private Double budget() {
        if (bits == null || WIDTHS.contains(bits) || !bits.matches("[2-7](\\.[0-9]{1,2})?")) {
            return null;
        }
        return Double.valueOf(bits);
    }

    private String code() {
        if (code != null) {
            return code;
        }
        String given = bits == null ? "4" : bits;
        if (budget() != null) {
            return NumberCode.INT4.label();
        }
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
