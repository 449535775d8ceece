package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.artifactstore.hub.HubTransport.Answer;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Brings one file into the cache: goes on with what an earlier attempt, of this process or one
/// that was killed, has left; and gives it its name when its digest is the one that the hub states.
final class BlobDownload {

    private static final int CHUNK = 1 << 18;
    private static final Pattern RANGE =
            Pattern.compile("bytes (\\d{1,18})-(\\d{1,18})/(\\d{1,18})");

    private final HubTransport transport;
    private final HubErrors errors;
    private final HubCache cache;
    private final Meter meter;
    private final BooleanSupplier stop;
    private final HubFile file;
    private final URI uri;
    private final String what;
    private final Path incomplete;
    private final Retries retries;

    private MessageDigest digest;
    private long hashed;
    private long furthest;
    private String entityTag;
    private boolean ofSeveralPieces;

    BlobDownload(
            HubSettings settings,
            HubTransport transport,
            HubCache cache,
            Meter meter,
            BooleanSupplier stop,
            HubListing listing,
            HubFile file) {
        this.transport = transport;
        this.errors = new HubErrors(settings, transport, listing.id());
        this.cache = cache;
        this.meter = meter;
        this.stop = stop;
        this.file = file;
        this.uri =
                URI.create(
                        "%s/%s/resolve/%s/%s"
                                .formatted(
                                        settings.endpoint(),
                                        listing.id().repository(),
                                        listing.commit(),
                                        URLEncoder.encode(file.path(), StandardCharsets.UTF_8)
                                                .replace("+", "%20")
                                                .replace("%2F", "/")));
        this.what = listing.id() + ": " + file.path();
        this.incomplete = cache.incomplete(file);
        this.retries = new Retries(settings.patience(), stop, note -> meter.note(this, note));
    }

    /// @return whether it had to be downloaded
    boolean bring() {
        try (HubLock lock =
                HubLock.acquire(cache.lock(file), stop, note -> meter.note(this, note))) {
            if (HubCache.isSound(cache.blob(file), file)) {
                return false;
            }
            try {
                Files.createDirectories(incomplete.getParent());
            } catch (IOException e) {
                throw HubCache.failed(incomplete.getParent(), e);
            }
            String found = download();
            if (!found.equals(file.digest()) && ofSeveralPieces) {
                // A piece was of something else, or the disk has lost it: once more, in one piece.
                delete();
                ofSeveralPieces = false;
                found = download();
            }
            if (!found.equals(file.digest())) {
                delete();
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: what came has the digest %s, but the hub states %s; nothing of it is kept"
                                .formatted(what, found, file.digest()));
            }
            publish();
            return true;
        }
    }

    /// @return the digest of the whole file
    private String download() {
        begin();
        retries.run(
                what,
                () -> {
                    attempt();
                    return null;
                });
        return HexFormat.of().formatHex(digest.digest());
    }

    private void begin() {
        digest = HubCache.digest(file.hasSha256() ? "SHA-256" : "SHA-1");
        if (!file.hasSha256()) {
            digest.update(HubCache.gitHeader(file.bytes()));
        }
        hashed = 0;
    }

    private void attempt() throws IOException {
        try (FileChannel channel = open()) {
            goOnFrom(channel);
            if (hashed == file.bytes()) {
                return;
            }
            try (Answer answer = transport.get(uri, rangeHeaders(), stop)) {
                switch (answer.status()) {
                    case 200 -> whole(answer, channel);
                    case 206 -> rest(answer, channel);
                    case 416 -> {
                        truncate(channel);
                        throw new IOException("the hub has no bytes from there on");
                    }
                    default -> throw errors.of(answer, file.path());
                }
                copy(answer.body(), channel);
            }
            sync(channel);
        }
    }

    private FileChannel open() {
        try {
            return FileChannel.open(
                    incomplete,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw HubCache.failed(incomplete, e);
        }
    }

    /// Reads what is there already into the digest.
    private void goOnFrom(FileChannel channel) {
        try {
            if (channel.size() > file.bytes()) {
                truncate(channel);
            }
            if (channel.size() < hashed) {
                begin();
            }
            ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
            channel.position(hashed);
            while (hashed < channel.size()) {
                HubTransport.requireGoOn(stop);
                ofSeveralPieces = true;
                channel.read(chunk.clear());
                hash(chunk.flip());
            }
            furthest = Math.max(furthest, hashed);
            meter.at(file, hashed);
        } catch (IOException e) {
            throw HubCache.failed(incomplete, e);
        }
    }

    private void hash(ByteBuffer bytes) {
        hashed += bytes.remaining();
        digest.update(bytes);
    }

    private void truncate(FileChannel channel) {
        try {
            channel.truncate(0);
            begin();
        } catch (IOException e) {
            throw HubCache.failed(incomplete, e);
        }
    }

    private Map<String, String> rangeHeaders() {
        Map<String, String> headers = new HashMap<>();
        if (hashed > 0) {
            headers.put("Range", "bytes=" + hashed + "-");
            if (entityTag != null) {
                headers.put("If-Range", entityTag);
            }
        }
        return headers;
    }

    /// The answer begins at the beginning, asked for or not.
    private void whole(Answer answer, FileChannel channel) {
        requireSize(answer.headers().firstValueAsLong("Content-Length").orElse(file.bytes()));
        if (hashed > 0) {
            truncate(channel);
        }
        ofSeveralPieces = false;
        remember(answer);
    }

    /// The answer begins where what is there ends.
    private void rest(Answer answer, FileChannel channel) throws IOException {
        String range = answer.header("Content-Range");
        Matcher matcher = RANGE.matcher(range == null ? "" : range);
        if (!matcher.matches() || Long.parseLong(matcher.group(1)) != hashed) {
            truncate(channel);
            throw new IOException(
                    "asked for the rest, and got "
                            + (range == null ? "no range" : "another range"));
        }
        requireSize(Long.parseLong(matcher.group(3)));
        remember(answer);
    }

    /// A weak tag says nothing about bytes.
    private void remember(Answer answer) {
        String tag = answer.header("ETag");
        entityTag = tag == null || tag.startsWith("W/") ? null : tag;
    }

    private void requireSize(long bytes) {
        if (bytes != file.bytes()) {
            delete();
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: it has %d bytes, but the hub states %d"
                            .formatted(what, bytes, file.bytes()));
        }
    }

    private void copy(InputStream body, FileChannel channel) throws IOException {
        byte[] chunk = new byte[CHUNK];
        position(channel);
        while (true) {
            int count;
            try {
                count = body.read(chunk);
            } catch (IOException e) {
                throw new IOException(
                        "the connection ended after %d of %d bytes (%s)"
                                .formatted(hashed, file.bytes(), e.getMessage()),
                        e);
            }
            if (count < 0) {
                break;
            }
            if (hashed + count > file.bytes()) {
                requireSize(hashed + count);
            }
            write(channel, ByteBuffer.wrap(chunk, 0, count));
            hash(ByteBuffer.wrap(chunk, 0, count));
            meter.at(file, hashed);
            meter.received(count);
            // What had been there before is no progress: a server may begin anew each time.
            retries.arrived(Math.max(0, hashed - furthest));
            furthest = Math.max(furthest, hashed);
        }
        if (hashed < file.bytes()) {
            throw new IOException(
                    "the connection ended after %d of %d bytes".formatted(hashed, file.bytes()));
        }
    }

    private void position(FileChannel channel) {
        try {
            channel.position(hashed);
        } catch (IOException e) {
            throw HubCache.failed(incomplete, e);
        }
    }

    private void write(FileChannel channel, ByteBuffer bytes) {
        try {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw HubCache.failed(incomplete, e);
        }
    }

    private void sync(FileChannel channel) {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw HubCache.failed(incomplete, e);
        }
    }

    private void publish() {
        Path blob = cache.blob(file);
        try {
            Files.move(
                    incomplete,
                    blob,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            HubCache.sync(blob.getParent());
        } catch (IOException e) {
            throw HubCache.failed(blob, e);
        }
    }

    private void delete() {
        try {
            Files.deleteIfExists(incomplete);
        } catch (IOException e) {
            throw HubCache.failed(incomplete, e);
        }
    }
}
