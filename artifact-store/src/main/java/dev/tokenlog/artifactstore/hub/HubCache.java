package dev.tokenlog.artifactstore.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/// A repository's part of the cache folder, laid out as the hub's own client does it:
///
/// ```
/// models--ORG--NAME/refs/main                   the commit that the name meant when last asked
/// models--ORG--NAME/snapshots/COMMIT/FILE       -> ../../blobs/DIGEST
/// models--ORG--NAME/blobs/DIGEST                content, by the digest that the hub states
/// models--ORG--NAME/blobs/DIGEST.incomplete     what has arrived so far
/// .locks/models--ORG--NAME/DIGEST.lock
/// ```
///
/// Where links are impossible, the snapshot holds the file itself and there is no blob.
final class HubCache {

    private final Path root;
    private final String name;
    private final boolean links;

    HubCache(HubSettings settings, String repository) {
        this.root = settings.cache();
        this.name = "models--" + repository.replace("/", "--");
        this.links = settings.links();
    }

    Path folder() {
        return root.resolve(name);
    }

    Path blob(HubFile file) {
        return folder().resolve("blobs").resolve(file.digest());
    }

    Path incomplete(HubFile file) {
        return folder().resolve("blobs").resolve(file.digest() + ".incomplete");
    }

    Path lock(HubFile file) {
        return root.resolve(".locks").resolve(name).resolve(file.digest() + ".lock");
    }

    Path snapshot(String commit) {
        return folder().resolve("snapshots").resolve(commit);
    }

    /// The commit that a revision meant when somebody last asked for it.
    Optional<String> commitOf(String revision) {
        if (HubId.isCommit(revision)) {
            return Optional.of(revision);
        }
        Path ref = folder().resolve("refs").resolve(revision);
        try {
            return Files.isRegularFile(ref)
                    ? Optional.of(Files.readString(ref).strip()).filter(HubId::isCommit)
                    : Optional.empty();
        } catch (IOException e) {
            throw unreadable(ref, e);
        }
    }

    void note(String revision, String commit) {
        if (commitOf(revision).filter(commit::equals).isPresent()) {
            return;
        }
        Path ref = folder().resolve("refs").resolve(revision);
        Path temporary = ref.resolveSibling(ref.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            Files.createDirectories(ref.getParent());
            Files.writeString(temporary, commit);
            Files.move(
                    temporary,
                    ref,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw failed(ref, e);
        }
    }

    /// Whether the snapshot has this file, as far as can be told quickly: its size, and the digest
    /// of small ones. The digest of large ones is checked by whoever reads them to the end.
    boolean has(String commit, HubFile file) {
        return isSound(snapshot(commit).resolve(file.path()), file);
    }

    static boolean isSound(Path path, HubFile file) {
        try {
            return Files.isRegularFile(path)
                    && Files.size(path) == file.bytes()
                    && (file.hasSha256() || gitBlob(path).equals(file.digest()));
        } catch (NoSuchFileException e) {
            return false;
        } catch (IOException e) {
            throw unreadable(path, e);
        }
    }

    /// Puts a blob into a snapshot.
    ///
    /// @param isNew whether nobody else can refer to it yet
    void point(String commit, HubFile file, boolean isNew) {
        Path pointer = snapshot(commit).resolve(file.path());
        Path blob = blob(file);
        // Under another name first, so that a reader always finds the one or the other.
        Path temporary =
                pointer.resolveSibling(pointer.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            Files.createDirectories(pointer.getParent());
            if (!(links && link(temporary, pointer.getParent().relativize(blob)))) {
                if (isNew) {
                    Files.move(blob, temporary, StandardCopyOption.ATOMIC_MOVE);
                } else {
                    Files.copy(blob, temporary);
                }
            }
            Files.move(
                    temporary,
                    pointer,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw failed(pointer, e);
        }
    }

    private static boolean link(Path link, Path target) {
        try {
            Files.createSymbolicLink(link, target);
            return true;
        } catch (UnsupportedOperationException | SecurityException | IOException e) {
            // A file system, or a user, that may not make links; anything worse fails again.
            return false;
        }
    }

    /// What the hub's own client has noted of the files at a commit, if it has.
    Optional<HubListing> listing(HubId id, String commit) {
        Path noted = folder().resolve("trees").resolve(commit + ".json");
        if (!Files.isRegularFile(noted)) {
            return Optional.empty();
        }
        JsonNode tree;
        try {
            tree = StrictJson.object(noted);
        } catch (EngineException e) {
            return Optional.empty(); // only a note: what is there is looked at instead
        }
        if (tree.path("format_version").asInt() != 1) {
            return Optional.empty();
        }
        List<HubFile> files = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : tree.path("files").properties()) {
            JsonNode facts = entry.getValue();
            String sha256 = facts.path("lfs_sha256").asText("");
            String digest = sha256.isEmpty() ? facts.path("blob_id").asText("") : sha256;
            long bytes = facts.path(sha256.isEmpty() ? "size" : "lfs_size").asLong(-1);
            boolean usable = HubFile.isSha256(digest) || HubFile.isGitBlob(digest);
            if (!usable || bytes < 0 || !HubFile.isInside(entry.getKey())) {
                return Optional.empty();
            }
            files.add(new HubFile(entry.getKey(), bytes, digest));
        }
        return Optional.of(HubListing.of(id, commit, files));
    }

    /// The digest by which the cache keeps a file of a snapshot; empty where it lies there itself.
    static Optional<String> digestOf(Path pointer) {
        try {
            return Files.isSymbolicLink(pointer)
                    ? Optional.of(Files.readSymbolicLink(pointer).getFileName().toString())
                    : Optional.empty();
        } catch (IOException e) {
            throw unreadable(pointer, e);
        }
    }

    /// Git's id of a file: SHA-1 over `blob`, its size, a zero byte and its content.
    static String gitBlob(Path file) throws IOException {
        MessageDigest sha1 = digest("SHA-1");
        sha1.update(gitHeader(Files.size(file)));
        try (InputStream in = Files.newInputStream(file)) {
            byte[] chunk = new byte[1 << 16];
            for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
                sha1.update(chunk, 0, n);
            }
        }
        return HexFormat.of().formatHex(sha1.digest());
    }

    static byte[] gitHeader(long bytes) {
        return ("blob " + bytes + "\0").getBytes(StandardCharsets.US_ASCII);
    }

    static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has SHA-1 and SHA-256
        }
    }

    /// Makes what was written to a folder survive a power failure, where that can be done.
    static void sync(Path folder) throws IOException {
        if (File.separatorChar == '/') {
            try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    /// Room for what is to come, as far as the file system tells.
    void requireRoom(long bytes) {
        Path existing = existing(root);
        try {
            long usable = Files.getFileStore(existing).getUsableSpace();
            if (usable < bytes) {
                throw new EngineException(
                        Reason.STORAGE_FAILED,
                        "%s: %,d MiB are to be downloaded, and only %,d MiB are free: make room, or set HF_HOME to another disk"
                                .formatted(root, bytes >> 20, usable >> 20));
            }
        } catch (IOException e) {
            throw failed(root, e);
        }
    }

    private static Path existing(Path path) {
        Path existing = path.toAbsolutePath();
        while (existing.getParent() != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        return existing;
    }

    static EngineException failed(Path path, IOException e) {
        String cause = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        String free = "";
        try {
            free =
                    " (%,d MiB free)"
                            .formatted(Files.getFileStore(existing(path)).getUsableSpace() >> 20);
        } catch (IOException f) {
            e.addSuppressed(f);
        }
        return new EngineException(
                Reason.STORAGE_FAILED,
                "%s: cannot be written: %s%s: make room, or set HF_HOME to another disk"
                        .formatted(path, cause, free),
                e);
    }

    static EngineException unreadable(Path path, IOException e) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE, path + ": cannot be read: " + e.getMessage(), e);
    }
}
