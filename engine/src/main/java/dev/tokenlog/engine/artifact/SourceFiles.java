package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tokenizer.TokenizerSource;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/// Every file of the source that was read, with its digest.
///
/// @param small configuration, tokenizer and template files, sorted by name
/// @param all those of the source and the weight files, sorted by name
/// @param made those among the small files that are other than in the source: a `tokenizer.json`
///   that was made of other files, a `config.json` that does not speak of the source's codes any
///   more, or says that the head is not the embedding
record SourceFiles(
        Path folder,
        List<Manifest.FileEntry> small,
        List<Manifest.FileEntry> all,
        Map<String, byte[]> made) {

    private static final long ASK_MILLIS = 100;

    /// Begins to read the weight files, on threads of the pool: until they are read, nobody needs
    /// to wait who has something else to do.
    static Reading read(SourceModel source, ExecutorService pool) {
        List<Manifest.FileEntry> small = new ArrayList<>();
        for (String name : ModelFiles.in(source.folder())) {
            small.add(Digests.file(source.folder(), name));
        }
        List<Future<Manifest.FileEntry>> weights =
                source.weightFiles().stream()
                        .map(file -> pool.submit(() -> Digests.file(file)))
                        .toList();
        return new Reading(source, small, weights);
    }

    /// Files that are being read.
    record Reading(
            SourceModel source,
            List<Manifest.FileEntry> small,
            List<Future<Manifest.FileEntry>> weights)
            implements AutoCloseable {

        boolean isDone() {
            return weights.stream().allMatch(Future::isDone);
        }

        /// Waits for the last of them.
        ///
        /// @param cancelled is asked ten times a second
        /// @throws CancellationException if it says so
        SourceFiles files(BooleanSupplier cancelled) {
            // Files that were made of a GGUF file are no files of the source.
            List<Manifest.FileEntry> all =
                    new ArrayList<>(source.hasOwnFiles() ? small : List.<Manifest.FileEntry>of());
            for (Future<Manifest.FileEntry> weight : weights) {
                all.add(entry(weight, cancelled));
            }
            return of(source, small, all);
        }

        private static Manifest.FileEntry entry(
                Future<Manifest.FileEntry> weight, BooleanSupplier cancelled) {
            while (true) {
                if (cancelled.getAsBoolean()) {
                    throw new CancellationException("the conversion was cancelled");
                }
                try {
                    return weight.get(ASK_MILLIS, TimeUnit.MILLISECONDS);
                } catch (TimeoutException goesOn) {
                    // Ask again.
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new CancellationException("the conversion was interrupted");
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof EngineException known) {
                        throw known;
                    }
                    throw new IllegalStateException("reading the source failed", e.getCause());
                }
            }
        }

        /// Nobody waits for what has not been read yet.
        @Override
        public void close() {
            weights.forEach(weight -> weight.cancel(true));
        }
    }

    private static SourceFiles of(
            SourceModel source, List<Manifest.FileEntry> read, List<Manifest.FileEntry> all) {
        List<Manifest.FileEntry> small = new ArrayList<>(read);
        all.sort(Comparator.comparing(Manifest.FileEntry::path));
        Map<String, byte[]> made = new HashMap<>();
        translatedTokenizer(source.folder())
                .ifPresent(tokenizer -> made.put(ModelFiles.TOKENIZER, tokenizer));
        source.configurationInFloat().ifPresent(text -> made.put(ModelFiles.CONFIG, text));
        small.removeIf(entry -> made.containsKey(entry.path()));
        made.forEach((name, bytes) ->
                small.add(new Manifest.FileEntry(name, bytes.length, Digests.of(bytes))));
        small.sort(Comparator.comparing(Manifest.FileEntry::path));
        return new SourceFiles(source.folder(), List.copyOf(small), List.copyOf(all), made);
    }

    /// The same with a small file in place of the source's, or beside them.
    SourceFiles with(String name, byte[] content) {
        List<Manifest.FileEntry> others = new ArrayList<>(small);
        others.removeIf(entry -> entry.path().equals(name));
        others.add(new Manifest.FileEntry(name, content.length, Digests.of(content)));
        others.sort(Comparator.comparing(Manifest.FileEntry::path));
        Map<String, byte[]> more = new HashMap<>(made);
        more.put(name, content);
        return new SourceFiles(folder, List.copyOf(others), all, Map.copyOf(more));
    }

    /// So that a digest stands for ids, whatever becomes of the translation later. What cannot be
    /// translated stays as it is: whoever opens it is told why.
    private static Optional<byte[]> translatedTokenizer(Path folder) {
        if (ModelFiles.find(folder, ModelFiles.TOKENIZER).isPresent()
                || !TokenizerSource.isIn(folder)) {
            return Optional.empty();
        }
        try {
            return Optional.of(
                    TokenizerSource.read(folder).json().getBytes(StandardCharsets.UTF_8));
        } catch (EngineException untranslatable) {
            return Optional.empty();
        }
    }

    void copyTo(Path target) {
        for (Manifest.FileEntry entry : small) {
            Path from = folder.resolve(entry.path());
            Path to = target.resolve(entry.path());
            if (made.containsKey(entry.path())) {
                ArtifactStore.writeDurably(to, made.get(entry.path()));
                continue;
            }
            ArtifactStore.createFolder(to.getParent());
            ArtifactStore.copyDurably(from, to);
            if (!Digests.file(to).sha256().equals(entry.sha256())) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE, from + ": changed during the conversion");
            }
        }
    }
}
