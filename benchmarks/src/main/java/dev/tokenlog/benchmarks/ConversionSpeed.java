package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;

/// Conversions of one source in one process, one after the other: the first is what a command does,
/// the later ones are what a conversion processor does that has been running for a while. Bytes are
/// those of the source's tensors.
///
/// `ConversionSpeed --model FOLDER [--recipe int4-g32-absmax] [--threads 2] [--rounds 5] [--out
/// FOLDER] [--quantizer alone]`
///
/// With `--quantizer alone` also how fast the tensors are quantized where the source's digests are
/// known before: what is left when another quantizer, which computes none, is compared. A
/// conversion that was interrupted goes on in that order, so each round interrupts one first and
/// takes its journal away, as if no tensor had been finished. Reading, codes, error measures, the
/// digests of what is written and the writing are in it; the first tensor and the last flush to the
/// disk are not.
public final class ConversionSpeed {

    private ConversionSpeed() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = BenchmarkModels.options(arguments);
        Recipe recipe = Recipe.parse(options.getOrDefault("recipe", "int4-g32-absmax"));
        int threads = BenchmarkModels.number(options, "threads", 2);
        int rounds = BenchmarkModels.number(options, "rounds", 5);
        Path folder = Path.of(options.get("model"));
        Path parent =
                options.containsKey("out")
                        ? Files.createDirectories(Path.of(options.get("out")))
                        : Path.of(System.getProperty("java.io.tmpdir"));
        for (int round = 0; round < rounds; round++) {
            Path store = Files.createTempDirectory(parent, "conversion-speed");
            try (SourceModel source = SourceModel.open(folder)) {
                if (options.containsKey("quantizer")) {
                    Quantizer quantizer = new Quantizer();
                    interrupt(source, recipe, store, threads);
                    new Converter(threads)
                            .convert(source, recipe, new ArtifactStore(store), quantizer)
                            .close();
                    System.out.println(quantizer.line());
                    delete(store);
                    Files.createDirectory(store);
                }
                Stages stages = new Stages();
                try (Artifact artifact =
                        new Converter(threads)
                                .convert(source, recipe, new ArtifactStore(store), stages)) {
                    System.out.println(stages.line(round, artifact.digest().orElseThrow()));
                }
            } finally {
                delete(store);
            }
        }
    }

    private static void interrupt(SourceModel source, Recipe recipe, Path store, int threads)
            throws IOException {
        try {
            new Converter(threads)
                    .convert(source, recipe, new ArtifactStore(store), new Interruption());
            throw new IllegalStateException("nothing was interrupted");
        } catch (CancellationException interrupted) {
            for (Path file : files(store)) {
                if (file.endsWith("journal.jsonl")) {
                    Files.delete(file);
                }
            }
        }
    }

    private static final class Interruption implements ConversionListener {

        private volatile boolean told; // asked by any thread

        @Override
        public void tensorDone(TensorDone done) {
            told = true;
        }

        @Override
        public boolean isCancelled() {
            return told;
        }
    }

    /// From the first tensor's end to the last one's.
    private static final class Quantizer implements ConversionListener {

        private long from;
        private long until;
        private long bytes;
        private long processor;

        @Override
        public void tensorDone(TensorDone done) {
            if (done.reused()) {
                throw new IllegalStateException(done.weight().name() + " was there before");
            }
            until = System.nanoTime();
            if (done.number() == 1) {
                from = until;
                bytes = done.bytesTotal() - done.bytesDone();
                processor = processorTime();
            } else if (done.number() == done.of()) {
                processor = processorTime() - processor;
            }
        }

        String line() {
            return String.format(
                    Locale.ROOT,
                    "quantizer alone %.0f MB/s: %.2f s; processor time %.2f s",
                    bytes * 1e3 / (until - from),
                    (until - from) / 1e9,
                    processor / 1e9);
        }
    }

    /// When the stages of a conversion ended.
    private static final class Stages implements ConversionListener {

        private final long started = System.nanoTime();
        private final long processor = processorTime();
        private long digests;
        private long tensors;
        private long bytes;

        @Override
        public void sourceFound(SourceFound found) {
            digests = System.nanoTime();
            bytes = found.bytes();
        }

        @Override
        public void tensorDone(TensorDone done) {
            tensors = System.nanoTime();
        }

        String line(int round, String digest) {
            long ended = System.nanoTime();
            return String.format(
                    Locale.ROOT,
                    "%d: %.0f MB/s: %.2f s, digests known after %.2f, tensors %.2f later, the rest"
                            + " %.2f; processor time %.2f s; %s",
                    round + 1,
                    bytes * 1e3 / (ended - started),
                    (ended - started) / 1e9,
                    (digests - started) / 1e9,
                    (tensors - digests) / 1e9,
                    (ended - tensors) / 1e9,
                    (processorTime() - processor) / 1e9,
                    digest.substring(0, 15));
        }
    }

    private static long processorTime() {
        return ((com.sun.management.OperatingSystemMXBean)
                        ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    /// What is in a folder before the folder.
    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> found = Files.walk(folder)) {
            return found.sorted(Comparator.reverseOrder()).toList();
        }
    }

    private static void delete(Path folder) throws IOException {
        for (Path path : files(folder)) {
            Files.delete(path);
        }
    }
}
