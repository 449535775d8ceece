package dev.tokenlog.artifactstore.object;

import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactFiles;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.Digests;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.BiPredicate;
import java.util.function.Consumer;
import java.util.stream.Stream;

/// Artifacts of a store by digest, under `sha256-…/`. Of an artifact the manifest comes last, so
/// what has no manifest is not there.
public final class RemoteArtifacts implements AutoCloseable {

    /// The largest manifest that is fetched.
    private static final long MAX_MANIFEST = 256L << 20;

    /// Of the small files together; tokenizers have some megabytes.
    private static final long MAX_SMALL = 1L << 30;

    /// Headers of the weight files, beside the numbers in them.
    private static final long HEADERS = 256L << 20;

    private static final int BUFFER = 1 << 17;
    private static final String OWNER = "cluster-id";

    private final ObjectStore objects;

    public RemoteArtifacts(ObjectStore objects) {
        this.objects = objects;
    }

    public static RemoteArtifacts open(ObjectStoreSettings settings) {
        return new RemoteArtifacts(settings.open());
    }

    public String address(String digest) {
        return objects.address(digest);
    }

    ObjectStore objects() {
        return objects;
    }

    public boolean has(String digest) {
        return Digests.isModelDigest(digest)
                && objects.size(key(digest, ArtifactFiles.MANIFEST)).isPresent();
    }

    private static String key(String digest, String file) {
        return digest + "/" + file;
    }

    /// Brings an artifact there. What is there already, by name and size, stays: a publication that
    /// was cut off goes on. Statements about it are brought each time.
    ///
    /// @param requireGoOn called before each file; what it throws ends the publication
    /// @return the address of its folder
    /// @throws EngineException `STORAGE_FAILED` or as [ObjectStore] says
    public String publish(Artifact artifact, Runnable requireGoOn) {
        return publish(artifact, requireGoOn, this::isThere);
    }

    /// The same, and what is there already is read and compared byte by byte: a damaged object is
    /// replaced.
    ///
    /// @param mended is told the address of each object that was
    public String mend(Artifact artifact, Runnable requireGoOn, Consumer<String> mended) {
        return publish(
                artifact,
                requireGoOn,
                (file, key) -> {
                    boolean there = isThere(file, key);
                    boolean equal = there && isEqual(file, key);
                    if (there && !equal) {
                        mended.accept(objects.address(key));
                    }
                    return equal;
                });
    }

    private String publish(
            Artifact artifact, Runnable requireGoOn, BiPredicate<Path, String> isBrought) {
        String digest = artifact.manifest().modelDigest();
        Path manifest = artifact.folder().resolve(ArtifactFiles.MANIFEST);
        ArtifactFiles files = ArtifactFiles.of(manifest, digest);
        List<String> names =
                Stream.concat(files.small().stream(), files.weights().stream()).toList();
        // Young again: nobody collects what a publication that was cut off left, while this one
        // goes on.
        Path first = artifact.folder().resolve(names.getFirst());
        isBrought.test(first, key(digest, names.getFirst())); // says so if it was damaged
        objects.write(key(digest, names.getFirst()), first);
        for (String name : names) {
            requireGoOn.run();
            Path file = artifact.folder().resolve(name);
            if (!isBrought.test(file, key(digest, name))) {
                objects.write(key(digest, name), file);
            }
        }
        for (String name : names) {
            requireThere(artifact.folder().resolve(name), key(digest, name));
        }
        for (Path statement : ProvenanceFile.files(artifact.folder())) {
            objects.write(key(digest, statement.getFileName().toString()), statement);
        }
        objects.write(key(digest, ArtifactFiles.MANIFEST), manifest);
        return objects.address(digest);
    }

    private boolean isEqual(Path file, String key) {
        try {
            long size = Files.size(file);
            if (size == 0) {
                return true;
            }
            try (InputStream there = new BufferedInputStream(objects.read(key, 0, size), BUFFER);
                    InputStream here =
                            new BufferedInputStream(Files.newInputStream(file), BUFFER)) {
                byte[] mine = new byte[BUFFER];
                for (int read = here.readNBytes(mine, 0, BUFFER);
                        read > 0;
                        read = here.readNBytes(mine, 0, BUFFER)) {
                    byte[] theirs = there.readNBytes(read);
                    if (!Arrays.equals(mine, 0, read, theirs, 0, theirs.length)) {
                        return false;
                    }
                }
                return true;
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNAVAILABLE,
                    objects.address(key) + ": cannot be compared: " + e.getMessage(),
                    e);
        }
    }

    /// A manifest must never stand beside weights that somebody deleted meanwhile.
    private void requireThere(Path file, String key) {
        if (!isThere(file, key)) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    objects.address(key) + ": was brought and is not there any more; try again");
        }
    }

    private boolean isThere(Path file, String key) {
        try {
            OptionalLong there = objects.size(key);
            return there.isPresent() && there.getAsLong() == Files.size(file);
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /// Fetches an artifact into a store of this machine, in pieces and several at once. What a cut
    /// connection or a killed process has left is gone on with. The artifact appears when every
    /// byte has been compared with its digests.
    ///
    /// @throws EngineException `MODEL_UNREADABLE` if it is not what its name says, naming tensor or
    ///   file, or if it is not there; else as [ObjectStore] says
    public Path fetch(String digest, ArtifactStore store) {
        if (!has(digest)) {
            throw new EngineException(
                    Reason.MODEL_UNREADABLE, objects.address(digest) + ": there is no artifact");
        }
        return store.receive(digest, (folder, notes) -> fetch(digest, folder, notes));
    }

    private void fetch(String digest, Path folder, Path notes) {
        ArtifactFiles files = ArtifactFiles.of(fetchManifest(digest, folder), digest);
        List<Download> downloads = new ArrayList<>();
        List<ObjectStore.Entry> there = objects.list(digest + "/");
        add(downloads, files.weights(), there, digest, files.weightBytes() + HEADERS);
        add(downloads, files.small(), there, digest, MAX_SMALL);
        there.stream()
                .filter(entry -> ProvenanceFile.isStatement(name(entry, digest)))
                .filter(entry -> entry.bytes() <= ProvenanceFile.MAX_BYTES)
                .limit(ProvenanceFile.MAX_FILES)
                .forEach(entry ->
                        downloads.add(
                                new Download(entry.key(), name(entry, digest), entry.bytes())));
        new Fetcher(objects, folder, notes).fetch(downloads);
    }

    private static String name(ObjectStore.Entry entry, String digest) {
        return entry.key().substring(digest.length() + 1);
    }

    /// The manifest alone.
    ///
    /// @param folder where it is put
    public Path fetchManifest(String digest, Path folder) {
        String key = key(digest, ArtifactFiles.MANIFEST);
        long size = objects.size(key).orElseThrow(() -> missing(key));
        if (size > MAX_MANIFEST) {
            throw new EngineException(
                    Reason.MODEL_UNREADABLE, objects.address(key) + ": " + size + " bytes");
        }
        new Fetcher(objects, folder, folder)
                .fetchWhole(new Download(key, ArtifactFiles.MANIFEST, size));
        return folder.resolve(ArtifactFiles.MANIFEST);
    }

    /// @param limit of all these files: a manifest that asks for more than its tensors take must
    ///   not fill the disk
    private void add(
            List<Download> downloads,
            List<String> names,
            List<ObjectStore.Entry> there,
            String digest,
            long limit) {
        long sum = 0;
        for (String name : names) {
            String key = key(digest, name);
            ObjectStore.Entry entry =
                    there.stream()
                            .filter(e -> e.key().equals(key))
                            .findFirst()
                            .orElseThrow(() -> missing(key));
            sum += entry.bytes();
            if (sum > limit) {
                throw new EngineException(
                        Reason.MODEL_UNREADABLE,
                        "%s: larger than its manifest says".formatted(objects.address(key)));
            }
            downloads.add(new Download(key, name, entry.bytes()));
        }
    }

    private EngineException missing(String key) {
        return new EngineException(
                Reason.MODEL_UNREADABLE, objects.address(key) + ": is not there");
    }

    /// What lies under one digest.
    ///
    /// @param whole false where the manifest is missing: a publication that was cut off
    /// @param newest when the last of its objects came
    public record Stored(String digest, long bytes, boolean whole, Instant newest) {

        private Stored and(Stored more) {
            return new Stored(
                    digest,
                    bytes + more.bytes,
                    whole || more.whole,
                    newest.isAfter(more.newest) ? newest : more.newest);
        }
    }

    /// Everything under digests, sorted; other objects are not ours and stay.
    public List<Stored> list() {
        Map<String, Stored> found = new TreeMap<>();
        for (ObjectStore.Entry entry : objects.list("")) {
            int slash = entry.key().indexOf('/');
            String digest = slash < 0 ? "" : entry.key().substring(0, slash);
            if (Digests.isModelDigest(digest)) {
                boolean manifest = entry.key().equals(key(digest, ArtifactFiles.MANIFEST));
                found.merge(
                        digest,
                        new Stored(digest, entry.bytes(), manifest, entry.written()),
                        Stored::and);
            }
        }
        return List.copyOf(found.values());
    }

    /// Where the note about the cluster stands that the store belongs to.
    public String ownerNote() {
        return objects.address(OWNER);
    }

    /// The cluster whose log says what here is garbage; empty where none has said so yet.
    public Optional<String> owner() {
        OptionalLong size = objects.size(OWNER);
        if (size.isEmpty()) {
            return Optional.empty();
        }
        int bytes = (int) Math.min(size.getAsLong(), BUFFER);
        try (InputStream in = objects.read(OWNER, 0, Math.max(1, bytes))) {
            return Optional.of(new String(in.readAllBytes(), StandardCharsets.UTF_8).strip())
                    .filter(id -> !id.isEmpty());
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNAVAILABLE,
                    objects.address(OWNER) + ": cannot be read: " + e.getMessage(),
                    e);
        }
    }

    /// Notes it.
    public void claim(String clusterId) {
        try {
            Path note = Files.createTempFile("cluster-id", "");
            try {
                Files.writeString(note, clusterId + "\n");
                objects.write(OWNER, note);
            } finally {
                Files.deleteIfExists(note);
            }
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED,
                    objects.address(OWNER) + ": cannot be written: " + e.getMessage(),
                    e);
        }
    }

    /// Deletes an artifact, unless something of it came after this time: the manifest first, so
    /// that no half of it is ever taken for a whole.
    ///
    /// @return whether it was deleted
    public boolean delete(String digest, Instant notAfter) {
        List<ObjectStore.Entry> entries = objects.list(digest + "/");
        if (entries.isEmpty()
                || entries.stream().anyMatch(entry -> entry.written().isAfter(notAfter))) {
            return false;
        }
        objects.delete(key(digest, ArtifactFiles.MANIFEST));
        entries.forEach(entry -> objects.delete(entry.key()));
        return true;
    }

    /// @param name of the file that it becomes
    record Download(String key, String name, long bytes) {}

    @Override
    public void close() {
        objects.close();
    }
}
