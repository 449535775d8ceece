package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Sequence;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How fast a converted model comes from the page cache to its first token, and what stays in
/// memory: resident memory at the end against `1.05 × weights + KV cache + 350 MiB`.
///
/// `LoadBenchmark FOLDER [RECIPE] [COMPUTE] [THREADS] [ROUNDS] [cold]`
///
/// The folder keeps an artifact of the shape of TinyLlama-1.1B with random weights, made at the
/// first run (which needs 3 GB of disk for a moment). Each round is what a worker does: open, check
/// every digest, prepare, run a prompt of a few tokens, on kernels that were chosen before. The
/// first round is that of a cold JVM.
///
/// Memory that a virtual machine's host has taken back has to be given again, page by page, at the
/// first touch, which can take longer than all the rest, and some hosts take back what is free for
/// a second. So as much memory as the weights need is touched before each round, twice, and held
/// while digests are checked; both times are printed and are no part of the round. With `cold` as
/// the last argument nothing is touched before.
public final class LoadBenchmark {

    private static final int VOCABULARY = 32000;
    private static final int PROMPT = 8;

    private LoadBenchmark() {}

    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        String recipe = arguments.length > 1 ? arguments[1] : "int4";
        String compute = arguments.length > 2 ? arguments[2] : "auto";
        int threads = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 2;
        int rounds = arguments.length > 4 ? Integer.parseInt(arguments[4]) : 5;
        boolean cold = arguments.length > 5 && arguments[5].equals("cold");
        Path artifact = artifact(folder.resolve(recipe), recipe);
        CpuOptions options = new CpuOptions(compute, threads, Optional.empty());
        KernelSelection kernels = KernelSelection.select(compute);
        System.out.println(kernels.kernels().description() + ", " + threads + " threads");
        System.out.println(
                "round  open+digests  prepare  first token  total    GB/s   resident (own, file)"
                        + "  limit");
        for (int round = 1; round <= rounds; round++) {
            Arena held = Arena.ofShared();
            if (!cold) {
                touch(Artifact.weightBytes(artifact), held);
            }
            round(round, artifact, options, kernels, held);
        }
    }

    private static void round(
            int number, Path folder, CpuOptions options, KernelSelection kernels, Arena held)
            throws IOException {
        long begin = System.nanoTime();
        try (Artifact artifact = Artifact.open(folder, true)) {
            double opened = seconds(begin);
            held.close();
            try (CpuExecutor executor = CpuExecutor.open(artifact, options, kernels)) {
                double prepared = seconds(begin);
                firstToken(executor);
                double total = seconds(begin);
                long weights = artifact.manifest().statistics().bytes();
                // The prompt takes one page of KV cache: too little to count.
                double limit = 1.05 * weights + (350 << 20);
                System.out.printf(
                        Locale.ROOT,
                        "%5d  %9.2f s %9.2f s %9.2f s %7.2f s %6.2f  %5d MiB (%d, %d) %7.0f MiB, peak %d%n",
                        number,
                        opened,
                        prepared - opened,
                        total - prepared,
                        total,
                        weights / total / 1e9,
                        memory("VmRSS") >> 20,
                        memory("RssAnon") >> 20,
                        memory("RssFile") >> 20,
                        limit / (1 << 20),
                        memory("VmHWM") >> 20);
            }
        }
    }

    private static void touch(long bytes, Arena held) {
        long begin = System.nanoTime();
        MemorySegment memory = held.allocate(bytes, 1 << 21);
        double first = seconds(begin);
        begin = System.nanoTime();
        memory.fill((byte) 1);
        System.out.printf(
                Locale.ROOT,
                "memory, one thread: %.2f s a GB when first touched, %.2f s again%n",
                first / bytes * 1e9,
                seconds(begin) / bytes * 1e9);
    }

    private static void firstToken(CpuExecutor executor) {
        Batch batch = executor.newBatch(PROMPT, 1);
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(PROMPT);
            sequence.reserve(PROMPT);
            for (int i = 0; i < PROMPT; i++) {
                batch.add(sequence, i * 1999 % VOCABULARY, i, i == PROMPT - 1);
            }
            executor.step(batch);
        }
    }

    private static double seconds(long begin) {
        return (System.nanoTime() - begin) / 1e9;
    }

    /// A line of proc_pid_status(5), in bytes.
    private static long memory(String name) throws IOException {
        String status = Files.readString(Path.of("/proc/self/status"));
        Matcher matcher = Pattern.compile("(?m)^" + name + ":\\s+([0-9]+) kB$").matcher(status);
        return matcher.find() ? Long.parseLong(matcher.group(1)) << 10 : -1;
    }

    private static Path artifact(Path folder, String recipe) throws IOException {
        ArtifactStore store = new ArtifactStore(folder);
        if (store.list().isEmpty()) {
            Path source = folder.resolve("source");
            RandomSource.write(source);
            try (SourceModel model = SourceModel.open(source)) {
                new Converter()
                        .convert(model, Recipe.parse(recipe), store, new ConversionListener() {})
                        .close();
            }
            Files.delete(source.resolve(RandomSource.WEIGHTS));
        }
        return store.find(store.list().getFirst()).orElseThrow();
    }
}
