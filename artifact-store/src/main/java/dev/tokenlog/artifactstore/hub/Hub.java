package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.artifact.ModelFiles;
import dev.tokenlog.engine.format.safetensors.SafetensorsFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import javax.net.ssl.SSLContext;

/// Gets models of the hub: out of the cache, or by a download into it. A download that ends early,
/// for whatever reason, leaves what has arrived; the next one goes on from there.
///
/// All methods throw [EngineException]: `SOURCE_NOT_FOUND` (repository, revision or file),
/// `SOURCE_FORBIDDEN` (a token or a licence is missing), `SOURCE_UNAVAILABLE` (the network, or a
/// hub that has too much to do), `SOURCE_UNREADABLE` (a wrong digest or size, an answer that makes
/// no sense), `UNSUPPORTED` (weights that are no safetensors, a configuration that the engine does
/// not run), `STORAGE_FAILED` (the disk).
public final class Hub {

    /// How much of a model is wanted.
    public enum Part {
        /// Configuration, tokenizer and templates.
        TOKENIZER,
        /// Those and the weights.
        MODEL
    }

    /// Hears how far a download is, four times a second, on the caller's thread.
    public interface Listener {
        void progress(HubProgress progress);
    }

    private static final long TICK_MILLIS = 250;
    private static final List<String> TOKENIZERS =
            List.of("tokenizer.json", "tokenizer.model", "vocab.json");

    private final HubSettings settings;
    private final SSLContext tls;

    public Hub(HubSettings settings) {
        this(settings, null);
    }

    /// @param tls whom to trust, or null for the JDK's usual authorities
    Hub(HubSettings settings, SSLContext tls) {
        this.settings = settings;
        this.tls = tls;
    }

    public HubSettings settings() {
        return settings;
    }

    /// What the cache has of a model, without asking anybody. A commit is what it is for ever; a
    /// branch is what it was when somebody last asked.
    ///
    /// @return empty if something of that part is missing
    public Optional<HubSnapshot> cached(HubId id, Part part) {
        HubCache cache = new HubCache(settings, id.repository());
        return cache.commitOf(id.revision())
                .filter(commit -> missing(id, part, cache, commit).isEmpty())
                .map(commit -> snapshot(id, cache, commit, false));
    }

    /// Out of the cache where it is there, else from the hub.
    public HubSnapshot cachedOrFetch(HubId id, Part part, Listener listener, BooleanSupplier stop) {
        return cached(id, part).orElseGet(() -> fetch(id, part, listener, stop));
    }

    /// Asks the hub what the revision is now, and downloads what the cache has not. Offline, the
    /// cache has to do.
    ///
    /// @param stop true ends it soon, with a `CancellationException`
    public HubSnapshot fetch(HubId id, Part part, Listener listener, BooleanSupplier stop) {
        if (settings.offline()) {
            return cached(id, part).orElseThrow(() -> notCached(id, part));
        }
        Meter meter = new Meter();
        AtomicBoolean over = new AtomicBoolean();
        CompletableFuture<HubSnapshot> result = new CompletableFuture<>();
        Thread worker =
                Thread.ofPlatform()
                        .daemon()
                        .name("hub-download")
                        .start(() -> {
                            try (HubTransport transport = new HubTransport(settings, tls)) {
                                BooleanSupplier end = () -> over.get() || stop.getAsBoolean();
                                result.complete(
                                        new Job(id, part, meter, transport, end).complete());
                            } catch (RuntimeException | Error e) {
                                result.completeExceptionally(e);
                            }
                        });
        try {
            return follow(result, meter, listener);
        } finally {
            over.set(true);
            awaitEnd(worker);
        }
    }

    private HubSnapshot follow(
            CompletableFuture<HubSnapshot> result, Meter meter, Listener listener) {
        while (true) {
            try {
                HubSnapshot snapshot = result.get(TICK_MILLIS, TimeUnit.MILLISECONDS);
                listener.progress(redacted(meter.read()));
                return snapshot;
            } catch (TimeoutException e) {
                listener.progress(redacted(meter.read()));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CancellationException("interrupted");
            } catch (ExecutionException e) {
                throw redacted(rethrown(e.getCause()));
            }
        }
    }

    /// Whatever a hub may have put the token into, no message of ours carries it on.
    private RuntimeException redacted(RuntimeException e) {
        String message = String.valueOf(e.getMessage());
        String clean = redacted(message);
        return e instanceof EngineException known && !clean.equals(message)
                ? new EngineException(known.reason(), clean)
                : e;
    }

    private HubProgress redacted(HubProgress p) {
        return new HubProgress(
                p.filesDone(),
                p.files(),
                p.bytesDone(),
                p.bytesTotal(),
                p.bytesReceived(),
                p.bytesPerSecond(),
                redacted(p.note()));
    }

    private String redacted(String text) {
        return settings.token().map(token -> token.redact(text)).orElse(text);
    }

    private static RuntimeException rethrown(Throwable cause) {
        return switch (cause) {
            case RuntimeException e -> e;
            case Error e -> throw e;
            default -> new IllegalStateException(cause);
        };
    }

    /// Nothing writes to the cache when the caller goes on.
    private static void awaitEnd(Thread worker) {
        boolean interrupted = false;
        while (worker.isAlive()) {
            try {
                worker.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private EngineException notCached(HubId id, Part part) {
        HubCache cache = new HubCache(settings, id.repository());
        String why =
                cache.commitOf(id.revision())
                        .flatMap(commit -> missing(id, part, cache, commit))
                        .orElse("the revision is not known there");
        return new EngineException(
                Reason.SOURCE_UNAVAILABLE,
                "%s: not in the cache %s (%s), and HF_HUB_OFFLINE forbids to ask the hub"
                        .formatted(id, settings.cache(), why));
    }

    /// What a snapshot lacks, in words. Where nobody has noted what the repository holds, it has to
    /// have what every model has.
    private static Optional<String> missing(HubId id, Part part, HubCache cache, String commit) {
        Path folder = cache.snapshot(commit);
        if (!Files.isDirectory(folder)) {
            return Optional.of("the commit is not there");
        }
        Optional<HubListing> noted = cache.listing(id, commit);
        if (noted.isPresent()) {
            List<HubFile> wanted = new ArrayList<>(HubFiles.small(noted.get(), part));
            Optional<String> small = firstMissing(wanted, cache, commit);
            return small.isPresent() || part == Part.TOKENIZER && id.file().isEmpty()
                    ? small
                    : firstMissing(HubFiles.weights(noted.get(), folder), cache, commit);
        }
        if (id.file().isPresent()) {
            return id.file()
                    .filter(name -> !isFile(folder, name))
                    .map(name -> "'" + name + "' is missing");
        }
        if (TOKENIZERS.stream().noneMatch(name -> isFile(folder, name))) {
            return Optional.of("it has no tokenizer");
        }
        if (part == Part.TOKENIZER) {
            return Optional.empty();
        }
        List<String> wanted = new ArrayList<>(List.of(ModelFiles.CONFIG));
        if (isFile(folder, SafetensorsFolder.INDEX)) {
            wanted.addAll(HubFiles.shards(folder.resolve(SafetensorsFolder.INDEX)));
        } else {
            wanted.add(SafetensorsFolder.SINGLE);
        }
        return wanted.stream()
                .filter(name -> !isFile(folder, name))
                .findFirst()
                .map(name -> "'" + name + "' is missing");
    }

    private static Optional<String> firstMissing(
            List<HubFile> files, HubCache cache, String commit) {
        return files.stream()
                .filter(file -> !cache.has(commit, file))
                .findFirst()
                .map(file -> "'" + file.path() + "' is missing or damaged");
    }

    private static boolean isFile(Path folder, String name) {
        return Files.isRegularFile(folder.resolve(name));
    }

    /// A snapshot as the cache describes it: the links name the digests.
    private static HubSnapshot snapshot(
            HubId id, HubCache cache, String commit, boolean fromNetwork) {
        Path folder = cache.snapshot(commit);
        Map<String, String> sha256 = new HashMap<>();
        String[] names = folder.toFile().list();
        for (String name : names == null ? new String[0] : names) {
            HubCache.digestOf(folder.resolve(name))
                    .filter(HubFile::isSha256)
                    .ifPresent(digest -> sha256.put(name, digest));
        }
        return new HubSnapshot(id.at(commit), id.revision(), folder, sha256, fromNetwork);
    }

    /// One download, on a thread of its own.
    private final class Job {

        private final HubId id;
        private final Part part;
        private final Meter meter;
        private final HubTransport transport;
        private final BooleanSupplier stop;
        private final HubCache cache;

        Job(HubId id, Part part, Meter meter, HubTransport transport, BooleanSupplier stop) {
            this.id = id;
            this.part = part;
            this.meter = meter;
            this.transport = transport;
            this.stop = stop;
            this.cache = new HubCache(settings, id.repository());
        }

        /// The small files come first: what the engine does not run is refused before gigabytes are
        /// downloaded.
        HubSnapshot complete() {
            HubListing listing =
                    new HubApi(settings, transport, stop, note -> meter.note(this, note)).list(id);
            String commit = listing.commit();
            Path folder = cache.snapshot(commit);
            List<HubFile> small = HubFiles.small(listing, part);
            Map<String, String> sha256 = new HashMap<>();
            small.forEach(meter::plan);
            bring(small, listing, sha256);
            if (part == Part.MODEL || id.file().isPresent()) {
                if (id.file().isEmpty()) {
                    ModelPlans.read(folder.resolve(ModelFiles.CONFIG));
                }
                List<HubFile> weights = HubFiles.weights(listing, folder);
                weights.forEach(meter::plan);
                cache.requireRoom(
                        weights.stream()
                                .filter(file -> !cache.has(commit, file))
                                .mapToLong(this::stillToCome)
                                .sum());
                bring(weights, listing, sha256);
            }
            // Only now: whoever finds the name may rely on the files.
            cache.note(id.revision(), commit);
            return new HubSnapshot(id.at(commit), id.revision(), folder, sha256, true);
        }

        private long stillToCome(HubFile file) {
            if (Files.exists(cache.blob(file))) {
                return 0;
            }
            long here = cache.incomplete(file).toFile().length();
            return Math.max(0, file.bytes() - here);
        }

        private void bring(List<HubFile> files, HubListing listing, Map<String, String> sha256) {
            AtomicBoolean failed = new AtomicBoolean();
            BooleanSupplier end = () -> failed.get() || stop.getAsBoolean();
            try (ExecutorService pool =
                    Executors.newFixedThreadPool(
                            settings.patience().connections(),
                            Thread.ofPlatform().daemon().name("hub-file-", 0).factory())) {
                ExecutorCompletionService<HubFile> ends = new ExecutorCompletionService<>(pool);
                for (HubFile file : files) {
                    ends.submit(() -> bring(file, listing, end), file);
                }
                try {
                    for (int i = 0; i < files.size(); i++) {
                        HubFile done = ends.take().get();
                        if (done.hasSha256()) {
                            sha256.put(done.path(), done.digest());
                        }
                    }
                } catch (ExecutionException e) {
                    throw rethrown(e.getCause());
                } catch (InterruptedException e) {
                    throw new CancellationException("interrupted");
                } finally {
                    // Of several that fail, the first one is the reason.
                    failed.set(true);
                }
            }
        }

        private void bring(HubFile file, HubListing listing, BooleanSupplier end) {
            HubTransport.requireGoOn(end);
            if (!cache.has(listing.commit(), file)) {
                BlobDownload download =
                        new BlobDownload(settings, transport, cache, meter, end, listing, file);
                boolean isNew = download.bring();
                cache.point(listing.commit(), file, isNew);
            }
            meter.done(file);
        }
    }
}
