package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.calibrate.CalibrationFile;
import dev.tokenlog.engine.calibrate.TextCalibrator;
import dev.tokenlog.engine.evaluate.ComparisonReport;
import dev.tokenlog.engine.evaluate.HeldOutText;
import dev.tokenlog.engine.evaluate.ModelComparison;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "compare",
        description = {
            "Converts a model by many recipes and compares each with the float model.",
            "Over held-out text: size, bits per weight, perplexity, divergence, agreement, speed."
                    + " Without a broker."
        })
final class CompareCommand implements Callable<Integer> {

    /// Codes by granularity by calibration; `*` stands for a calibration by the text of this run.
    private static final List<String> ALL =
            List.of(
                    "int8-row",
                    "int8-g128",
                    "int8-g32",
                    "uint8-g32",
                    "qins8-log-g32",
                    "qins8-proj-g32",
                    "int4-row",
                    "int4-row*",
                    "int4-g128",
                    "int4-g128*",
                    "int4-g64",
                    "int4-g64*",
                    "int4-g32",
                    "int4-g32-lsq",
                    "int4-g32*awq",
                    "int4-g32*",
                    "int4-g32*awq-gptq",
                    "int4-g32,rotation=hadamard",
                    "int4-g32,rotation=hadamard*",
                    "int4-g32,rotation=hadamard-heads*",
                    "uint4-g32",
                    "uint4-g32*",
                    "qins4-g32",
                    "qins4-g32*",
                    "int2-g32",
                    "int2-g32*",
                    "uint2-g32",
                    "uint2-g32*awq",
                    "uint2-g32*",
                    "uint2-g32*awq-gptq",
                    "uint2-g32,rotation=hadamard*",
                    "ternary-g32",
                    "ternary-g32*",
                    "int1-g32",
                    "int1-g32*",
                    "int4-g32*3",
                    "int4-g32*3.5",
                    "int4-g32*5");

    private static final int LONGEST = 512;

    private static final Pattern WITH_BYTES =
            Pattern.compile("(?<path>.+)=(?<bytes>[1-9][0-9]{0,14})");

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;

    @Parameters(
            paramLabel = "MODEL",
            description = "A folder in float, or 'demo' for the bundled model.")
    private String model;

    @Option(
            names = "--recipe",
            paramLabel = "TEXT",
            description =
                    "A recipe as 'quantize --recipe' takes it; one that ends with '*' is calibrated"
                            + " with the calibration text, by the method that follows (gptq, awq,"
                            + " awq-gptq; default: gptq), within a budget of bits if one follows."
                            + " May be given several times (default: every code, granularity and"
                            + " calibration).")
    private List<String> recipes = ALL;

    @Option(
            names = "--against",
            paramLabel = "MODEL[=BYTES]",
            description =
                    "An artifact or a GGUF file of the same model, compared as it is; a GGUF file"
                            + " with its weights decoded. BYTES is what the weights take where the"
                            + " file does not show it. May be given several times.")
    private List<String> others = List.of();

    @Option(
            names = "--text",
            paramLabel = "FILE",
            description =
                    "Held-out text, a JSON object with messages on each line (default: the bundled"
                            + " one).")
    private Path text;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "8192",
            description = "Tokens of it (default: 8192).")
    private int tokens;

    @Option(
            names = "--calibration-text",
            paramLabel = "FILE",
            description = "Text to calibrate by (default: the bundled one).")
    private Path calibrationText;

    @Option(
            names = "--calibration-tokens",
            paramLabel = "N",
            defaultValue = "16384",
            description = "Tokens of it (default: 16384).")
    private int calibrationTokens;

    @Option(
            names = "--store",
            paramLabel = "DIR",
            description = "Keeps the artifacts there (default: a temporary folder).")
    private Path store;

    @Option(
            names = "--resume",
            paramLabel = "FILE",
            description =
                    "Keeps finished lines there, and takes those that are there already, if model,"
                            + " text and encoder are the same.")
    private Path resume;

    @Option(names = "--svg", paramLabel = "FILE", description = "Draws a plot of the table.")
    private Path svg;

    @Override
    public Integer call() throws IOException {
        CalibrationFile calibration =
                calibrationText == null
                        ? CalibrationFile.bundled()
                        : CalibrationFile.of(calibrationText);
        List<ComparedRecipe> wanted = wanted(calibration);
        Path kept = store != null ? store : Files.createTempDirectory("tokenlog-compare");
        List<CompareRow> rows = new ArrayList<>();
        try (SourceModel source = SourceModel.open(ModelFolders.resolve(model));
                CpuExecutor baseline = CpuExecutor.open(source, CpuOptions.automatic());
                Progress progress = new Progress(common.terminal(), "compare")) {
            List<int[]> documents = documents(source.folder());
            Converter converter = new Converter().with(TextCalibrator.reading(calibration));
            int total = wanted.size() + others.size();
            CompareRows finished = new CompareRows(resume);
            for (ComparedRecipe each : wanted) {
                progress.show(rows.size(), total, each.shown());
                String key = finished.key(each.recipe().canonical(), tokens, inputs(source));
                Optional<CompareRow> known = finished.find(key);
                if (known.isPresent()) {
                    rows.add(known.get());
                    continue;
                }
                try (Artifact artifact =
                        converter.convert(
                                source,
                                each.recipe(),
                                new ArtifactStore(kept),
                                new ConversionListener() {})) {
                    CompareRow row =
                            row(
                                    each.plain(),
                                    each.method(),
                                    artifact,
                                    CompareRow.size(artifact, source),
                                    baseline,
                                    documents);
                    finished.keep(key, row);
                    rows.add(row);
                } catch (EngineException e) {
                    // Not every model can be rotated or scaled; the others are still of use.
                    if (recipes != ALL || e.reason() != Reason.UNSUPPORTED) {
                        throw e;
                    }
                    common.terminal().err("left out: " + each.shown() + ": " + e.getMessage());
                }
            }
            for (String other : others) {
                progress.show(rows.size(), total, other);
                List<Path> files = new ArrayList<>(inputs(source));
                files.add(ModelFolders.resolve(Other.parse(other).path().toString()));
                String key = finished.key(other, tokens, files);
                Optional<CompareRow> known = finished.find(key);
                CompareRow row =
                        known.isPresent() ? known.get() : other(other, source, baseline, documents);
                if (known.isEmpty()) {
                    finished.keep(key, row);
                }
                rows.add(row);
            }
            progress.show(total, total, "done");
        } finally {
            if (store == null) {
                delete(kept);
            }
        }
        if (svg != null) {
            Files.writeString(svg, ComparePlot.svg(rows));
        }
        report(rows);
        return ExitStatus.DONE;
    }

    private List<ComparedRecipe> wanted(CalibrationFile calibration) {
        try {
            return recipes.stream()
                    .map(each -> ComparedRecipe.parse(each, calibration, calibrationTokens))
                    .toList();
        } catch (EngineException e) {
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    private List<int[]> documents(Path folder) {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            return HeldOutText.read(
                    heldOut(), ChatTemplate.open(folder), tokenizer, LONGEST, tokens);
        }
    }

    private Path heldOut() {
        return text == null ? Installation.heldOutText() : text;
    }

    /// The files that every line depends on.
    private List<Path> inputs(SourceModel source) {
        return List.of(source.folder(), heldOut());
    }

    private CompareRow other(
            String other, SourceModel source, CpuExecutor baseline, List<int[]> documents) {
        Other file = Other.parse(other);
        try (Model opened = ModelFolders.open(file.path().toString())) {
            CompareRow.Size size =
                    file.bytes() == null
                            ? CompareRow.size(opened, source)
                            : CompareRow.size(file.bytes(), source);
            return row(file.name(), null, opened, size, baseline, documents);
        }
    }

    /// @param bytes null where the file shows them
    private record Other(Path path, Long bytes) {

        static Other parse(String text) {
            Matcher matcher = WITH_BYTES.matcher(text);
            return matcher.matches()
                    ? new Other(
                            Path.of(matcher.group("path")), Long.valueOf(matcher.group("bytes")))
                    : new Other(Path.of(text), null);
        }

        String name() {
            return path.getFileName().toString().replaceFirst("(\\.decoded)?\\.gguf$", "");
        }
    }

    private CompareRow row(
            String plain,
            String method,
            Model candidate,
            CompareRow.Size size,
            CpuExecutor baseline,
            List<int[]> documents) {
        try (CpuExecutor executor = CpuExecutor.open(candidate, CpuOptions.automatic())) {
            ComparisonReport report =
                    ModelComparison.compare(executor, baseline, documents, (done, of) -> true);
            double speed;
            try (EngineRates rates = new EngineRates(executor, 32)) {
                rates.decode(1, 32);
                speed = rates.decode(1, 64).tokensPerSecond();
            }
            return new CompareRow(plain, method, size, CompareRow.Figures.of(report), speed);
        }
    }

    private void report(List<CompareRow> rows) {
        Terminal terminal = common.terminal();
        if (output.json) {
            ObjectNode answer = Json.object();
            ArrayNode all = answer.putArray("rows");
            rows.forEach(row -> all.add(row.json()));
            terminal.line(Json.text(answer));
            return;
        }
        Table table =
                new Table(
                        "recipe",
                        "bytes",
                        "bits/weight",
                        "perplexity",
                        "x float",
                        "mean KL",
                        "99.9 %",
                        "top-1",
                        "tokens/s");
        for (CompareRow row : rows) {
            CompareRow.Figures report = row.report();
            table.row(
                    row.name(),
                    "%,d".formatted(row.size().bytes()),
                    number("%.2f", row.size().bitsPerWeight()),
                    number("%.3f", report.quantizedPerplexity()),
                    number("%.3f", report.perplexityRatio()),
                    number("%.5f", report.meanDivergence()),
                    number("%.4f", report.divergence999()),
                    number("%.1f %%", 100 * report.top1Agreement()),
                    number("%.0f", row.tokensPerSecond()));
        }
        table.print(terminal);
    }

    private static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
