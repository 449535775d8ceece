package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.format.InputFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;

/// The digests that name an artifact. All are SHA-256 in lower-case hex over UTF-8 text or raw
/// bytes:
///
/// - **tensor**: codes, scales and zero points as stored, one after the other.
/// - **weights**: one line for each tensor, sorted: `name TAB dtype TAB shape TAB quantization TAB
///   sha256 LF`, for instance `model.norm.weight TAB F32 TAB [256] TAB f32 TAB 9c1f… LF`.
/// - **plan**: the [ModelPlan] as JSON without white space, fields sorted by name, fields that are
///   0, false or null left out, so that a plan can get a new field without another digest.
/// - **model**: the line `tokenlog-model 2 LF`, then `weights TAB … LF`, `plan TAB … LF`, and `file
///   TAB name TAB sha256 LF` for each configuration, tokenizer and template file, sorted.
public final class Digests {

    /// Before the hex of a model digest.
    public static final String PREFIX = "sha256-";

    private static final int CHUNK = 1 << 16;

    /// Of mapped memory: a buffer for each tensor is soon garbage.
    private static final int MAPPED_CHUNK = 1 << 16;

    private static final JsonMapper CANONICAL =
            JsonMapper.builder()
                    .defaultPropertyInclusion(
                            JsonInclude.Value.construct(
                                    JsonInclude.Include.NON_DEFAULT, JsonInclude.Include.ALWAYS))
                    .enable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
                    .disable(MapperFeature.SORT_CREATOR_PROPERTIES_FIRST)
                    .build();

    private Digests() {}

    /// Whether a text has the form of a model digest; nothing else ever becomes the name of a
    /// folder.
    public static boolean isModelDigest(String text) {
        return text.matches("sha256-[0-9a-f]{64}");
    }

    static String weights(List<Manifest.Weight> weights) {
        return ofText(
                weights.stream()
                        .sorted(Comparator.comparing(Manifest.Weight::name))
                        .map(Digests::line)
                        .collect(Collectors.joining()));
    }

    private static String line(Manifest.Weight weight) {
        String shape =
                weight.shape().stream()
                        .map(String::valueOf)
                        .collect(Collectors.joining(",", "[", "]"));
        return String.join(
                        "\t",
                        weight.name(),
                        weight.dtype(),
                        shape,
                        weight.quantization(),
                        weight.sha256())
                + "\n";
    }

    static String plan(ModelPlan plan) {
        return ofText(canonical(plan));
    }

    static String canonical(ModelPlan plan) {
        try {
            return CANONICAL.writeValueAsString(plan);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // records of strings and numbers can be written
        }
    }

    static String model(String weights, String plan, List<Manifest.FileEntry> files) {
        StringBuilder text = new StringBuilder("tokenlog-model 2\n");
        text.append("weights\t").append(weights).append('\n');
        text.append("plan\t").append(plan).append('\n');
        files.stream()
                .sorted(Comparator.comparing(Manifest.FileEntry::path))
                .forEach(file ->
                        text.append("file\t")
                                .append(file.path())
                                .append('\t')
                                .append(file.sha256())
                                .append('\n'));
        return PREFIX + ofText(text.toString());
    }

    static String ofText(String text) {
        return of(text.getBytes(StandardCharsets.UTF_8));
    }

    static String of(byte[] bytes) {
        return hex(Sha256.of(bytes.length).digest(bytes));
    }

    static String of(MemorySegment... parts) {
        long bytes = Arrays.stream(parts).mapToLong(MemorySegment::byteSize).sum();
        MessageDigest digest = Sha256.of(bytes);
        byte[] buffer = new byte[MAPPED_CHUNK];
        for (MemorySegment part : parts) {
            for (long at = 0; at < part.byteSize(); at += MAPPED_CHUNK) {
                int length = (int) Math.min(MAPPED_CHUNK, part.byteSize() - at);
                MemorySegment.copy(part, ValueLayout.JAVA_BYTE, at, buffer, 0, length);
                digest.update(buffer, 0, length);
            }
        }
        return hex(digest.digest());
    }

    /// Of everything that a stream still has.
    static String of(InputStream in) throws IOException {
        MessageDigest digest = Sha256.java();
        byte[] buffer = new byte[1 << 13];
        for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
            digest.update(buffer, 0, read);
        }
        return hex(digest.digest());
    }

    /// Size and digest of a file, under its name without a path.
    ///
    /// @throws CancellationException if the thread is interrupted
    public static Manifest.FileEntry file(Path file) {
        InputFiles.requireRegular(file);
        long bytes = 0;
        MessageDigest digest;
        try (FileChannel in = FileChannel.open(file)) {
            digest = Sha256.of(in.size());
            ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK);
            while (in.read(buffer) >= 0) {
                bytes += buffer.position();
                digest.update(buffer.flip());
                buffer.clear();
            }
        } catch (ClosedByInterruptException e) {
            CancellationException cancelled = new CancellationException(file + ": interrupted");
            cancelled.initCause(e);
            throw cancelled;
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
        return new Manifest.FileEntry(file.getFileName().toString(), bytes, hex(digest.digest()));
    }

    /// The same under a name with a path.
    static Manifest.FileEntry file(Path folder, String name) {
        Manifest.FileEntry entry = file(folder.resolve(name));
        return new Manifest.FileEntry(name, entry.bytes(), entry.sha256());
    }

    static String hex(byte[] digest) {
        return HexFormat.of().formatHex(digest);
    }
}
