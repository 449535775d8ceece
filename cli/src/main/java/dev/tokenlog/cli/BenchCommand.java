package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.ModelShapes;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Sequence;
import dev.tokenlog.engine.transformer.WarmUp;
import java.io.BufferedReader;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
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
            description =
                    "Number code of a shape's weights, like int4, int8, ternary (default: int4).")
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
            split = ",",
            defaultValue = "auto",
            paramLabel = "KERNELS",
            description = {
                "Kernels: auto, native, vector, scalar, or native-TIER (default: auto).",
                "Several are measured in turns and shown side by side."
            })
    private List<String> compute;

    @Option(
            names = "--kv",
            paramLabel = "TYPE",
            description =
                    "Keys and values in 8, 16 or 32 bit: kv8, kv16, kv32 (default: kv16; kv32 for a"
                            + " model in float).")
    private String kv;

    @Option(names = "--threads", description = "Threads that compute (default: all).")
    private Integer threads;

    @Option(
            names = "--yardstick",
            description = "Measure the machine's limits in the same rounds (native kernels).")
    private boolean yardstick;

    @Option(
            names = "--stdin",
            description = {
                "In place of rounds, measure what standard input asks for, line by line:",
                "'prompt TOKENS', or 'decode SEQUENCES TOKENS' after the first --prompt. Each answer is",
                "a line of JSON. For programs that let several engines take turns, as benchmarks/peers."
            })
    private boolean stdin;

    @Override
    public Integer call() throws IOException {
        check();
        try (Model model = open();
                Engines engines = new Engines()) {
            for (String name : compute) {
                engines.open(model, name);
            }
            if (stdin) {
                answer(engines.all.getFirst());
            } else {
                measure(model, engines.all);
            }
        }
        return ExitStatus.DONE;
    }

    private record Engine(
            String name, CpuExecutor executor, double loadSeconds, double firstTokenSeconds)
            implements AutoCloseable {
        @Override
        public void close() {
            executor.close();
        }
    }

    private final class Engines implements AutoCloseable {
        private final List<Engine> all = new ArrayList<>();

        void open(Model model, String name) {
            CpuOptions options = options(name);
            KernelSelection selection = KernelSelection.select(name);
            long begin = System.nanoTime();
            CpuExecutor executor = CpuExecutor.open(model, options, selection);
            double load = (System.nanoTime() - begin) / 1e9;
            all.add(new Engine(name, executor, load, firstToken(executor)));
            common.terminal().err(selection.explanation());
            if (!stdin) {
                int longest = prompts.getFirst() + decode;
                EngineRates.requireRoom(executor, Collections.max(batches), longest);
            }
            WarmUp.run(executor, WARM_UP);
        }

        @Override
        public void close() {
            all.forEach(Engine::close);
        }
    }

    /// Seconds of a prompt of one token, before any compiler has got its turn.
    private static double firstToken(CpuExecutor executor) {
        long begin = System.nanoTime();
        Batch batch = executor.newBatch(1, 1);
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(1);
            sequence.reserve(1);
            batch.add(sequence, 0, 0, true);
            executor.step(batch);
        }
        return (System.nanoTime() - begin) / 1e9;
    }

    private void measure(Model model, List<Engine> engines) {
        List<BenchReport.Run> runs = new ArrayList<>();
        EngineMeasurement.Scene scene = new EngineMeasurement.Scene(prompts, decode, batches);
        int count = options(compute.getFirst()).threads();
        try (MachineLimits limits = yardstick ? MachineLimits.of(model, count) : null) {
            if (limits != null && !limits.haveProduct()) {
                common.terminal()
                        .err("no limit of the product: it needs AVX-512 VNNI, and int4 or int8");
            }
            for (Engine engine : engines) {
                runs.add(
                        new BenchReport.Run(
                                engine.name(),
                                engine.executor().numericsId(),
                                engine.executor().description(),
                                engine.loadSeconds(),
                                engine.firstTokenSeconds(),
                                new EngineMeasurement(model, engine.executor(), scene)));
            }
            for (int round = 0; round <= rounds; round++) {
                for (BenchReport.Run run : runs) {
                    run.measurement().round(round > 0, Optional.ofNullable(limits));
                }
            }
        } finally {
            runs.forEach(run -> run.measurement().close());
        }
        BenchReport report =
                new BenchReport(
                        what.model != null ? what.model : what.shape,
                        what.model != null ? "" : code().label(),
                        count,
                        rounds,
                        runs);
        if (output.json) {
            common.terminal().line(Json.text(report.json()));
        } else {
            report.print(common.terminal());
        }
    }

    /// One line of JSON for each line of standard input, until it ends.
    private void answer(Engine engine) throws IOException {
        try (EngineRates rates = new EngineRates(engine.executor(), prompts.getFirst())) {
            ObjectNode ready = Json.object();
            ready.put("numerics_id", engine.executor().numericsId());
            ready.put("compute", engine.executor().description());
            ready.put("commit", Machine.commit());
            ready.put("load_seconds", engine.loadSeconds());
            say(ready);
            BufferedReader questions = common.input();
            for (String line = questions.readLine(); line != null; line = questions.readLine()) {
                say(Json.object().put("tokens_per_second", rate(rates, line)));
            }
        }
    }

    private void say(ObjectNode answer) {
        common.terminal().line(Json.text(answer));
    }

    private static double rate(EngineRates rates, String question) {
        String[] words = question.strip().split(" +");
        try {
            if (words[0].equals("prompt") && words.length == 2) {
                return rates.prompt(Integer.parseInt(words[1]));
            }
            if (words[0].equals("decode") && words.length == 3) {
                return rates.decode(Integer.parseInt(words[1]), Integer.parseInt(words[2]))
                        .tokensPerSecond();
            }
        } catch (NumberFormatException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE, "--stdin: '%s': %s".formatted(question, e.getMessage()), e);
        }
        throw CommandFailure.usage(
                "--stdin: '%s': expected 'prompt TOKENS' or 'decode SEQUENCES TOKENS'"
                        .formatted(question));
    }

    private void check() {
        boolean positive =
                rounds > 0
                        && decode > 0
                        && !prompts.isEmpty()
                        && !batches.isEmpty()
                        && prompts.stream().allMatch(n -> n > 0)
                        && batches.stream().allMatch(n -> n > 0);
        if (!positive) {
            throw CommandFailure.usage(
                    "--prompt, --decode, --batch and --rounds: numbers of at least 1");
        }
        if (stdin && (compute.size() > 1 || yardstick)) {
            throw CommandFailure.usage("--stdin measures one engine, without a yardstick");
        }
    }

    private NumberCode code() {
        String label = codes == null ? NumberCode.INT4.label() : codes;
        return NumberCode.of(label)
                .orElseThrow(() ->
                        CommandFailure.usage(
                                "--codes %s: no number code of this version".formatted(label)));
    }

    private CpuOptions options(String kernels) {
        CpuOptions options = CpuOptions.automatic().withCompute(kernels);
        if (kv != null) {
            options = options.withKv(KvType.of(kv));
        }
        try {
            return threads == null ? options : options.withThreads(threads);
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(ExitStatus.USAGE, "--" + e.getMessage(), e);
        }
    }

    private Model open() {
        if (what.model != null) {
            if (codes != null) {
                throw CommandFailure.usage("--codes goes with --shape: a model has its own");
            }
            return ModelFolders.open(what.model);
        }
        return new RandomWeights(shape(what.shape), code());
    }

    private static ModelPlan shape(String label) {
        if (!ModelShapes.labels().contains(label)) {
            throw CommandFailure.usage(
                    "--shape %s: expected one of %s"
                            .formatted(label, String.join(", ", ModelShapes.labels())));
        }
        return ModelPlans.of(ModelShapes.config(label), label);
    }
}
