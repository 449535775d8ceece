package dev.tokenlog.artifactstore.pack;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Digests;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/// What a packed artifact holds, at its end: JSON, then its length (8 bytes, big-endian), its
/// SHA-256 (32 bytes) and eight letters. The file begins with eight letters as well; the pieces
/// follow each other without a gap.
///
/// @param modelDigest of the artifact
/// @param files the manifest first
record PackIndex(String modelDigest, List<PackedFile> files) {

    static final byte[] BEGIN = "TLPACK01".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] END = "TLPACKIX".getBytes(StandardCharsets.US_ASCII);
    private static final int TRAILER = 8 + 32 + 8;
    private static final long MAX_BYTES = 256L << 20;

    /// The largest piece as it was: what unpacking one may take.
    static final int MAX_PIECE = 1 << 22;

    private static final JsonMapper MAPPER =
            StrictJson.MAPPER
                    .rebuild()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .build();

    PackIndex {
        Objects.requireNonNull(modelDigest, "model_digest");
        files = List.copyOf(files);
    }

    /// @param bytes unpacked
    record PackedFile(String name, long bytes, List<Piece> pieces) {

        PackedFile {
            Objects.requireNonNull(name, "name");
            pieces = List.copyOf(pieces);
        }
    }

    /// @param tensor whose bytes these are; missing for headers and small files
    /// @param width bytes of a number: planes that were split
    /// @param packed bytes in the packed file, compressed as a Zstandard frame
    /// @param bytes unpacked
    /// @param sha256 of the bytes in the packed file
    record Piece(String tensor, int width, int packed, int bytes, String sha256) {}

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    byte[] bytes() {
        try {
            byte[] json = MAPPER.writeValueAsBytes(this);
            return ByteBuffer.allocate(json.length + TRAILER)
                    .put(json)
                    .putLong(json.length)
                    .put(HexFormat.of().parseHex(sha256(json)))
                    .put(END)
                    .array();
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // records of strings and numbers can be written
        }
    }

    /// @throws EngineException `SOURCE_UNREADABLE`, naming the file, if anything about it is wrong
    static PackIndex read(RandomAccessFile in, Path file) throws IOException {
        long size = in.length();
        if (size < BEGIN.length + TRAILER) {
            throw refused(file, "too short for a packed artifact");
        }
        byte[] trailer = at(in, size - TRAILER, TRAILER);
        byte[] begin = at(in, 0, BEGIN.length);
        ByteBuffer buffer = ByteBuffer.wrap(trailer);
        long length = buffer.getLong();
        byte[] digest = new byte[32];
        buffer.get(digest);
        byte[] end = new byte[END.length];
        buffer.get(end);
        if (!java.util.Arrays.equals(begin, BEGIN) || !java.util.Arrays.equals(end, END)) {
            throw refused(
                    file, "begin or end is not that of a packed artifact: damaged or cut off");
        }
        if (length < 2 || length > MAX_BYTES || length > size - TRAILER - BEGIN.length) {
            throw refused(file, "an index of " + length + " bytes: damaged");
        }
        byte[] json = at(in, size - TRAILER - length, (int) length);
        if (!sha256(json).equals(HexFormat.of().formatHex(digest))) {
            throw refused(file, "the index is damaged");
        }
        return checked(json, size - TRAILER - length, file);
    }

    private static byte[] at(RandomAccessFile in, long position, int length) throws IOException {
        byte[] bytes = new byte[length];
        in.seek(position);
        in.readFully(bytes);
        return bytes;
    }

    /// Whoever wrote the index may have meant ill: every number is judged.
    private static PackIndex checked(byte[] json, long end, Path file) {
        PackIndex index;
        try {
            index = MAPPER.readValue(StrictJson.text(json, file.toString()), PackIndex.class);
        } catch (JsonProcessingException e) {
            throw StrictJson.unreadable(file.toString(), e);
        }
        if (index == null
                || !Digests.isModelDigest(index.modelDigest())
                || index.files().isEmpty()) {
            throw refused(file, "the index names no model");
        }
        long position = BEGIN.length;
        for (PackedFile each : index.files()) {
            long bytes = 0;
            for (Piece piece : each.pieces()) {
                boolean sound =
                        piece.sha256() != null
                                && piece.packed() > 0
                                && piece.bytes() > 0
                                && piece.bytes() <= MAX_PIECE
                                && piece.packed() <= MAX_PIECE + (MAX_PIECE >> 4)
                                && piece.width() >= 1
                                && piece.width() <= 8;
                if (!sound) {
                    throw refused(file, each.name() + ": a piece that cannot be: " + piece);
                }
                position += piece.packed();
                bytes += piece.bytes();
            }
            if (bytes != each.bytes()) {
                throw refused(file, each.name() + ": its pieces have " + bytes + " bytes");
            }
        }
        if (position != end) {
            throw refused(
                    file, "the pieces end at %d, the index begins at %d".formatted(position, end));
        }
        return index;
    }

    static EngineException refused(Path file, String what) {
        return new EngineException(Reason.SOURCE_UNREADABLE, file + ": " + what);
    }
}
