package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.WarmUp;
import dev.tokenlog.nativekernels.Yardstick;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "bench",
        description = {
            "Measures this machine: tokens per second of prompts and of decoding, without a broker.",
            "With --yardstick each round also measures what bounds them, reading memory and the",
            "quantized product alone, and the ratios are those of the same round."
        })
final class BenchCommand implements Callable<Integer> {

    private static final Duration WARM_UP = Duration.ofSeconds(60);

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;

    @ArgGroup(multiplicity = "1")
    private What what;

    private static final class What {
        @Option(
                names = "--model",
                paramLabel = "DIR",
                description = "An artifact or a source folder; or 'demo'.")
        private String model;

        @Option(
                names = "--shape",
                paramLabel = "SHAPE",
                description =
                        "Random weights of this shape: smollm2-135m, tinyllama-1.1b, llama-7b,"
                                + " mistral-7b, llama-8b.")
        private String shape;
    }

    @Option(
            names = "--codes",
            paramLabel = "CODE",
            description = "Number code of a shape's weights: int4, int8 (default: int4).")
    private String codes;

    @Option(
            names = "--prompt",
            split = ",",
            defaultValue = "256",
            paramLabel = "N",
            description = "Tokens of the prompts (default: 256).")
    private List<Integer> prompts;

    @Option(
            names = "--decode",
            defaultValue = "64",
            paramLabel = "N",
            description = "Tokens that each sequence decodes (default: 64).")
    private int decode;

    @Option(
            names = "--batch",
            split = ",",
            defaultValue = "1,4,8",
            paramLabel = "N",
            description = "Sequences that decode together (default: 1,4,8).")
    private List<Integer> batches;

    @Option(
            names = "--rounds",
            defaultValue = "5",
            paramLabel = "N",
            description = "Rounds; figures are medians (default: 5).")
    private int rounds;

    @Option(
            names = "--compute",
            defaultValue = "auto",
            description = "Kernels: auto, native, vector, scalar, or native-TIER (default: auto).")
    private String compute;

    @Option(names = "--threads", description = "Threads that compute (default: all).")
    private Integer threads;

    @Option(
            names = "--yardstick",
            description = "Measure the machine's limits in the same rounds (native kernels).")
    private boolean yardstick;

    @Override
    public Integer call() throws IOException {
        check();
        CpuOptions options = options();
        KernelSelection selection = KernelSelection.select(options.compute());
        try (Model model = open()) {
            long begin = System.nanoTime();
            try (CpuExecutor executor = CpuExecutor.open(model, options, selection)) {
                double load = (System.nanoTime() - begin) / 1e9;
                common.terminal().err(selection.explanation());
                WarmUp.run(executor, WARM_UP);
                EngineMeasurement measurement =
                        new EngineMeasurement(model, executor, prompts, decode, batches);
                try (Limits limits = new Limits(limits(model, options.threads()))) {
                    for (int round = 0; round <= rounds; round++) {
                        measurement.round(round > 0, limits);
                    }
                }
                report(measurement, executor, load, options.threads());
            }
        }
        return ExitStatus.DONE;
    }

    private void check() {
        boolean positive =
                rounds > 0
                        && decode > 0
                        && prompts.stream().allMatch(n -> n > 0)
                        && batches.stream().allMatch(n -> n > 0);
        if (!positive) {
            throw CommandFailure.usage("--prompt, --decode, --batch and --rounds are at least 1");
        }
    }

    private NumberCode code() {
        String label = codes == null ? NumberCode.INT4.label() : codes;
        return Arrays.stream(NumberCode.values())
                .filter(each -> each.label().equals(label))
                .findFirst()
                .orElseThrow(() ->
                        CommandFailure.usage("--codes %s: expected int4 or int8".formatted(label)));
    }

    private CpuOptions options() {
        CpuOptions options = CpuOptions.automatic().withCompute(compute);
        try {
            return threads == null ? options : options.withThreads(threads);
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(ExitStatus.USAGE, "--" + e.getMessage(), e);
        }
    }

    private Model open() throws IOException {
        if (what.model != null) {
            if (codes != null) {
                throw CommandFailure.usage("--codes goes with --shape: a model has its own");
            }
            return ModelFolders.open(what.model);
        }
        ModelShape shape = ModelShape.of(what.shape);
        return new RandomWeights(shape.plan(), code());
    }

    /// Products of the code that the first layer's queries have.
    private Optional<Yardstick> limits(Model model, int threads) {
        if (!yardstick) {
            return Optional.empty();
        }
        String tensor = model.plan().layers().getFirst().attention().queryTensor();
        return switch (model.matrix(tensor)) {
            case Matrix.Quantized weights -> Optional.of(Yardstick.open(weights.code(), threads));
            case Matrix.Float weights ->
                    throw CommandFailure.usage(
                            "--yardstick measures quantized products: this model is in float");
        };
    }

    /// The yardstick, where it was asked for.
    record Limits(Optional<Yardstick> yardstick) implements AutoCloseable {
        @Override
        public void close() {
            yardstick.ifPresent(Yardstick::close);
        }
    }

    private void report(
            EngineMeasurement measurement, CpuExecutor executor, double load, int threads) {
        if (output.json) {
            ObjectNode answer = Json.object();
            answer.put("model", what.model != null ? what.model : what.shape);
            if (what.model == null) {
                answer.put("codes", code().label());
            }
            answer.put("numerics_id", executor.numericsId());
            answer.put("compute", executor.description());
            answer.put("threads", threads);
            answer.put("machine", Machine.processor());
            answer.put("processors", Runtime.getRuntime().availableProcessors());
            answer.put("java", Runtime.version().toString());
            answer.put("commit", Machine.commit());
            answer.put("rounds", rounds);
            answer.put("load_seconds", load);
            answer.set("figures", measurement.json());
            common.terminal().line(Json.text(answer));
            return;
        }
        common.terminal()
                .line(
                        "%s %s %s, %s, %s, commit %s; load %.2f s"
                                .formatted(
                                        what.model != null ? what.model : what.shape,
                                        what.model != null ? "" : code().label(),
                                        executor.numericsId(),
                                        executor.description(),
                                        Machine.processor(),
                                        Machine.commit(),
                                        load));
        Table table = new Table("figure", "unit", "median", "least", "most", "of the limit");
        for (EngineMeasurement.Figure figure : measurement.figures()) {
            table.row(
                    figure.name(),
                    figure.unit(),
                    number(figure.median()),
                    number(figure.least()),
                    number(figure.most()),
                    figure.ratio().isPresent()
                            ? "%.2f".formatted(figure.ratio().getAsDouble())
                            : "");
        }
        table.print(common.terminal());
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, value < 100 ? "%.1f" : "%.0f", value);
    }
}
