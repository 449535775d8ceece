package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.Sequence;
import dev.tokenlog.engine.transformer.WarmUp;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/// What the threads of an executor do when there is nothing to do, and whether they sleep between
/// matrices: processor time of the idle process, and how often its computing threads gave up their
/// processor by themselves in a decoding step (Linux counts it in `/proc`).
///
/// `IdleCost --model FOLDER [--recipe int4] [--steps 200] [--idle 10] [--threads 2]`
public final class IdleCost {

    private IdleCost() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        int steps = BenchmarkModels.number(options, "steps", 200);
        int idle = BenchmarkModels.number(options, "idle", 10);
        try (Model model = BenchmarkModels.open(options);
                CpuExecutor executor = BenchmarkModels.executor(model, options);
                Sequence sequence = executor.newSequence()) {
            WarmUp.run(executor, Duration.ofSeconds(4));
            Batch batch = executor.newBatch(1, 1);
            sequence.fit(2 * steps);
            sequence.reserve(2 * steps);
            long before = 0;
            for (int i = 0; i < 2 * steps; i++) {
                if (i == steps) {
                    before = sleeps();
                }
                batch.clear();
                batch.add(sequence, i % executor.plan().vocabularySize(), i, true);
                executor.step(batch);
            }
            System.out.printf(
                    Locale.ROOT,
                    "decoding: computing threads went to sleep %.2f times a step, in which there are"
                            + " some %d tasks%n",
                    (sleeps() - before) / (double) steps,
                    8 * executor.plan().layers().size() + 2);
            Duration begin = processorTime();
            Thread.sleep(Duration.ofSeconds(idle));
            Duration end = processorTime();
            System.out.printf(
                    Locale.ROOT,
                    "idle: %.1f ms of processor time a second%n",
                    end.minus(begin).toNanos() / 1e6 / idle);
        }
    }

    private static Duration processorTime() {
        return ProcessHandle.current().info().totalCpuDuration().orElseThrow();
    }

    private static long sleeps() throws IOException {
        long sum = 0;
        try (Stream<Path> threads = Files.list(Path.of("/proc/self/task"))) {
            for (Path thread : threads.toList()) {
                if (Files.readString(thread.resolve("comm")).startsWith("tokenlog-comput")) {
                    sum +=
                            Files.readAllLines(thread.resolve("status")).stream()
                                    .filter(line -> line.startsWith("voluntary_ctxt_switches"))
                                    .mapToLong(line -> Long.parseLong(line.split("\\s+")[1]))
                                    .sum();
                }
            }
        }
        return sum;
    }
}
