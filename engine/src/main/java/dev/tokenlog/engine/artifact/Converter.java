package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.quantize.RowSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/// Turns a source into an artifact: tensor by tensor, on all threads, into a working folder of the
/// store, which becomes the artifact by one rename. The bytes depend on source, recipe and
/// [#ENCODER_VERSION] alone.
///
/// A conversion that ended early, for whatever reason, leaves its finished tensors; the next
/// conversion of the same source by the same recipe into the same store checks their digests and
/// goes on from there.
public final class Converter {

    /// Changes whenever the same source and recipe would give other bytes.
    public static final String ENCODER_VERSION = "tokenlog-4";

    private static final int MAX_THREADS = 1024;

    private final int threads;
    private final long maxFileBytes;
    private final Calibrator.Provider calibrators;

    /// @param threads that quantize
    public Converter(int threads) {
        this(threads, WeightFiles.MAX_FILE_BYTES);
    }

    Converter(int threads, long maxFileBytes) {
        this(threads, maxFileBytes, null);
    }

    private Converter(int threads, long maxFileBytes, Calibrator.Provider calibrators) {
        if (threads < 1 || threads > MAX_THREADS) {
            throw new IllegalArgumentException(
                    "threads: 1 to %d, not %d".formatted(MAX_THREADS, threads));
        }
        this.threads = threads;
        this.maxFileBytes = maxFileBytes;
        this.calibrators = calibrators;
    }

    /// One that can follow recipes with a calibration.
    public Converter with(Calibrator.Provider provider) {
        return new Converter(threads, maxFileBytes, provider);
    }

    /// Uses every processor.
    public Converter() {
        this(Math.min(MAX_THREADS, Runtime.getRuntime().availableProcessors()));
    }

    /// @param name of the model, for people; stands in the manifest
    /// @param repository where the source came from: a hub id, or the name of the folder or file
    /// @param revision of the repository, or null
    public record Origin(String name, String repository, String revision) {

        /// The name of the folder, or of the GGUF file without its ending, for both.
        public static Origin of(SourceModel source) {
            String name = source.name();
            return new Origin(name, name, null);
        }
    }

    /// [#convert(SourceModel, Recipe, ArtifactStore, Origin, ConversionListener)] under the
    /// source's name.
    public Artifact convert(
            SourceModel source, Recipe recipe, ArtifactStore store, ConversionListener listener) {
        return convert(source, recipe, store, Origin.of(source), listener);
    }

    /// Converts, publishes the artifact in the store and opens it.
    ///
    /// @throws CancellationException when the listener says so, or the thread is interrupted
    /// @throws EngineException `UNSUPPORTED`, `SOURCE_UNREADABLE` or `STORAGE_FAILED`, naming
    ///   tensor or file
    public Artifact convert(
            SourceModel source,
            Recipe recipe,
            ArtifactStore store,
            Origin origin,
            ConversionListener listener) {
        try (ExecutorService pool =
                        Executors.newFixedThreadPool(
                                threads,
                                Thread.ofPlatform().daemon().name("quantize-", 0).factory());
                SourceFiles.Reading reading = SourceFiles.read(source, pool)) {
            boolean readsTwice = recipe.rotation() != null || recipe.calibration() != null;
            if (readsTwice) {
                listener.sourceFound(found(source, reading.files(listener::isCancelled)));
            } else {
                Optional<Path> folder =
                        convertEarly(source, recipe, store, origin, reading, pool, listener);
                if (folder.isPresent()) {
                    return published(folder.get(), store, listener);
                }
            }
            SourceFiles files = reading.files(listener::isCancelled);
            try (WorkFolder work = store.work(workKey(recipe, files))) {
                Manifest manifest =
                        recipe.rotation() == null
                                ? write(source, source, recipe, origin, files, work, pool, listener)
                                : writeRotated(source, recipe, origin, files, work, pool, listener);
                return published(store.publish(work, manifest.modelDigest()), store, listener);
            }
        } catch (InternalError mapping) {
            throw SourceModel.shortened(source.folder(), mapping);
        }
    }

    private static Artifact published(
            Path folder, ArtifactStore store, ConversionListener listener) {
        store.share(folder.getFileName().toString()).forEach(listener::fileShared);
        return Artifact.open(folder, false);
    }

    /// Converts while the source is still being read for its digests.
    ///
    /// @return the artifact, or empty where there is another attempt, to go on with if it has ended
    private Optional<Path> convertEarly(
            SourceModel source,
            Recipe recipe,
            ArtifactStore store,
            Origin origin,
            SourceFiles.Reading reading,
            ExecutorService pool,
            ConversionListener listener) {
        try (EarlyStart early =
                new EarlyStart(source, reading, store, files -> workKey(recipe, files), listener)) {
            List<Manifest.Weight> weights;
            try {
                weights = weights(source, source, recipe, early.work(), pool, null, early);
            } catch (EngineException failure) {
                settle(early, failure);
                throw failure;
            }
            SourceFiles files = early.settle();
            Manifest manifest =
                    finish(source, source, recipe, origin, files, early.work(), weights);
            return Optional.of(store.publish(early.work(), manifest.modelDigest()));
        } catch (EarlyStart.BegunBefore earlier) {
            return Optional.empty();
        }
    }

    /// Whether these are the files that were meant comes before what is wrong with them.
    private static void settle(EarlyStart early, EngineException failure) {
        try {
            early.settle();
        } catch (EngineException refused) {
            if (refused != failure) {
                refused.addSuppressed(failure);
            }
            throw refused;
        }
    }

    static ConversionListener.SourceFound found(SourceModel source, SourceFiles files) {
        List<PlannedTensor> planned = source.plannedTensors();
        return new ConversionListener.SourceFound(
                source.plan().family(),
                planned.size(),
                planned.stream().mapToLong(PlannedTensor::elements).sum(),
                sourceBytes(source),
                source.dataType(),
                files.all(),
                source.skippedTensors());
    }

    static long sourceBytes(SourceModel source) {
        return source.plannedTensors().stream()
                .mapToLong(planned -> source.tensor(planned.name()).bytes())
                .sum();
    }

    /// Two conversions with the same key write the same bytes.
    private String workKey(Recipe recipe, SourceFiles files) {
        StringBuilder text = new StringBuilder(ENCODER_VERSION).append('\n');
        text.append(recipe.canonical()).append('\n').append(maxFileBytes).append('\n');
        // Of a GGUF file, `small` is what was made of it: another translation, another work.
        Stream.of(files.all(), files.small())
                .flatMap(List::stream)
                .distinct()
                .forEach(f -> text.append(f.path()).append('\t').append(f.sha256()).append('\n'));
        return Digests.ofText(text.toString()).substring(0, 32);
    }

    private Manifest writeRotated(
            SourceModel source,
            Recipe recipe,
            Origin origin,
            SourceFiles files,
            WorkFolder work,
            ExecutorService pool,
            ConversionListener listener) {
        try (SourceModel rotated = RotatedModel.of(source, recipe.rotation())) {
            boolean untied = source.plan().tiedEmbeddings() && !rotated.plan().tiedEmbeddings();
            SourceFiles other =
                    untied
                            ? files.with(
                                    ModelFiles.CONFIG,
                                    UntiedConfiguration.of(source.folder(), rotated.plan()))
                            : files;
            return write(source, rotated, recipe, origin, other, work, pool, listener);
        }
    }

    /// @param source as it was found
    /// @param rotated what is quantized
    private Manifest write(
            SourceModel source,
            SourceModel rotated,
            Recipe recipe,
            Origin origin,
            SourceFiles files,
            WorkFolder work,
            ExecutorService pool,
            ConversionListener listener) {
        List<Manifest.Weight> weights;
        try (Calibrator calibrator = calibrator(rotated, recipe, listener)) {
            SourceModel quantized = calibrator == null ? rotated : calibrator.source();
            weights = weights(source, quantized, recipe, work, pool, calibrator, listener);
        }
        return finish(source, rotated, recipe, origin, files, work, weights);
    }

    private static Manifest finish(
            SourceModel source,
            SourceModel rotated,
            Recipe recipe,
            Origin origin,
            SourceFiles files,
            WorkFolder work,
            List<Manifest.Weight> weights) {
        source.refuseChanges();
        files.copyTo(work.artifact());
        Manifest manifest =
                ManifestBuilder.build(source, rotated.plan(), recipe, origin, files, weights);
        ArtifactStore.writeDurably(
                work.artifact().resolve(ModelFiles.MANIFEST), ManifestFile.write(manifest));
        return manifest;
    }

    /// @param opened as it was found
    /// @param source what is quantized
    private List<Manifest.Weight> weights(
            SourceModel opened,
            SourceModel source,
            Recipe recipe,
            WorkFolder work,
            ExecutorService pool,
            Calibrator calibrator,
            ConversionListener listener) {
        List<StoredTensor> tensors =
                source.plannedTensors().stream()
                        .map(planned -> StoredTensor.by(recipe, planned, calibrator))
                        .toList();
        List<Manifest.Weight> weights = new ArrayList<>();
        try (WeightFiles weightFiles = new WeightFiles(work.artifact(), tensors, maxFileBytes)) {
            Map<String, Manifest.Weight> finished = finished(tensors, weightFiles, work);
            if (!finished.isEmpty()) {
                listener.resumed(finished.size());
            }
            TensorEncoder encoder =
                    new TensorEncoder(
                            pool, 2 * threads, recipe, source.hasCodes(), listener::isCancelled);
            long bytesTotal = sourceBytes(source);
            long bytesDone = 0;
            for (StoredTensor stored : tensors) {
                SourceTensor tensor = source.tensor(stored.name());
                Manifest.Weight weight = finished.get(stored.name());
                boolean reused = weight != null;
                if (!reused) {
                    weight =
                            encoder.encode(
                                    stored,
                                    tensor,
                                    rows(stored, tensor, calibrator),
                                    weightFiles.writerOf(stored),
                                    weightFiles.fileOf(stored));
                    // Or the next attempt would believe what came of other bytes than its own.
                    opened.refuseChanges();
                    work.note(weight);
                }
                if (calibrator != null && stored.isQuantized()) {
                    calibrator.done(stored.planned(), arena -> weightFiles.matrix(stored, arena));
                }
                weights.add(weight);
                bytesDone += tensor.bytes();
                listener.tensorDone(
                        new ConversionListener.TensorDone(
                                weights.size(),
                                tensors.size(),
                                weight,
                                bytesDone,
                                bytesTotal,
                                reused));
            }
            if (listener.isCancelled()) {
                throw new CancellationException("the conversion was cancelled");
            }
            weightFiles.sync();
        }
        return weights;
    }

    private Calibrator calibrator(SourceModel source, Recipe recipe, ConversionListener listener) {
        if (recipe.calibration() == null) {
            return null;
        }
        if (calibrators == null) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "recipe '%s': there is no calibration text".formatted(recipe.canonical()));
        }
        return calibrators.open(source, recipe, threads, listener::isCancelled);
    }

    /// Codes that can be taken over are better than any that could be found.
    private static RowSource rows(StoredTensor stored, SourceTensor tensor, Calibrator calibrator) {
        boolean calibrated =
                calibrator != null
                        && stored.isQuantized()
                        && calibrator.isFor(stored.planned())
                        && !tensor.holds(stored.code(), stored.groupSize());
        return calibrated
                ? calibrator.calibrate(stored.planned(), stored.code(), stored.groupSize())
                : tensor;
    }

    /// Tensors of an earlier attempt whose bytes still have the digest that the journal says.
    private static Map<String, Manifest.Weight> finished(
            List<StoredTensor> tensors, WeightFiles files, WorkFolder work) {
        Map<String, Manifest.Weight> noted = new HashMap<>();
        if (files.isResumed()) {
            work.journal().forEach(weight -> noted.put(weight.name(), weight));
        }
        Map<String, Manifest.Weight> finished = new HashMap<>();
        for (StoredTensor stored : tensors) {
            Manifest.Weight weight = noted.get(stored.name());
            if (weight != null
                    && weight.quantization().equals(stored.quantization())
                    && weight.file().equals(files.fileOf(stored))
                    && weight.sha256().equals(files.digest(stored))) {
                finished.put(stored.name(), weight);
            }
        }
        work.restart(List.copyOf(finished.values()));
        return finished;
    }
}
