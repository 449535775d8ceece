package dev.tokenlog.engine.format.gguf;

import static dev.tokenlog.engine.format.gguf.GgufBytes.ARRAY;
import static dev.tokenlog.engine.format.gguf.GgufBytes.BOOL;
import static dev.tokenlog.engine.format.gguf.GgufBytes.STRING;
import static dev.tokenlog.engine.format.gguf.GgufBytes.UINT32;
import static dev.tokenlog.engine.format.gguf.GgufBytes.UINT64;
import static dev.tokenlog.engine.format.gguf.GgufBytes.header;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.sun.management.ThreadMXBean;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufFileTest {

    private static final int F32 = 0;
    private static final int Q4_0 = 2;
    private static final int Q4_K = 12;

    @TempDir Path temp;

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void keysAndTensorsAreReadAsTheyWereWritten(int version) {
        Path file =
                header(version, 2, 5)
                        .text("general.architecture", "llama")
                        .number("a.count", -1)
                        .key("a.flag", BOOL)
                        .raw((byte) 1)
                        .key("a.words", ARRAY)
                        .int32(STRING)
                        .int64(2)
                        .string("gr\u00fc\u00dfe")
                        .string("")
                        .key("a.numbers", ARRAY)
                        .int32(5)
                        .int64(3)
                        .int32(1)
                        .int32(-2)
                        .int32(3)
                        .tensor("second", F32, 32, 2, 3)
                        .tensor("first", Q4_0, 0, 32)
                        .aligned(32)
                        .raw(new byte[32])
                        .float32(1)
                        .raw(new byte[20])
                        .aligned(32)
                        .write(temp.resolve("model.gguf"));
        try (Arena arena = Arena.ofConfined()) {
            GgufFile read = GgufFile.open(file, arena);

            assertThat(read.version()).isEqualTo(version);
            GgufMetadata metadata = read.metadata();
            assertThat(metadata.text("general.architecture")).contains("llama");
            assertThat(metadata.any("a.count")).contains(new GgufValue.Whole(0xffffffffL));
            assertThat(metadata.flag("a.flag")).contains(true);
            assertThat(metadata.texts("a.words", 2).orElseThrow())
                    .containsExactly("gr\u00fc\u00dfe", "");
            assertThat(metadata.integers("a.numbers", 3).orElseThrow()).containsExactly(1, -2, 3);
            assertThat(metadata.unread()).isEmpty();
            assertThat(metadata.text("not.there")).isEmpty();
            assertThat(read.tensors())
                    .extracting(GgufTensor::name)
                    .containsExactly("first", "second");
            GgufTensor second = read.tensor("second").orElseThrow();
            assertThat(second.shape()).containsExactly(3L, 2L);
            assertThat(second.data().byteSize()).isEqualTo(24);
            assertThat(second.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0)).isEqualTo(1f);
        }
    }

    static Stream<Arguments> hostileFiles() {
        long huge = 1L << 60;
        return Stream.of(
                broken("empty", new GgufBytes(), "0 bytes"),
                broken("no magic", new GgufBytes().raw(new byte[64]), "'GGUF'"),
                unsupported("version 1", header(1, 0, 0), "version 1"),
                unsupported("version 4", header(4, 0, 0), "version 4"),
                unsupported("big endian", header(0x03000000, 0, 0), "big-endian"),
                broken("2^60 tensors", header(3, huge, 0), "number of tensors"),
                broken("a negative count", header(3, -1, 0), "18446744073709551615"),
                broken("2^60 keys", header(3, 0, huge), "number of keys"),
                broken("more keys than there are", header(3, 0, 1), "number of keys"),
                broken(
                        "a key of 2^60 bytes",
                        header(3, 0, 1).int64(huge).int64(0),
                        "key 0: length"),
                broken(
                        "a value of 2^60 bytes",
                        header(3, 0, 1).key("a", STRING).int64(huge).int64(0),
                        "key 'a'"),
                broken(
                        "an array of 2^60 numbers",
                        header(3, 0, 1).key("a", ARRAY).int32(UINT64).int64(huge),
                        "key 'a'"),
                broken(
                        "an array of 2^60 strings",
                        header(3, 0, 1).key("a", ARRAY).int32(STRING).int64(huge).int64(0),
                        "key 'a'"),
                broken(
                        "a string of 2^60 bytes in an array",
                        header(3, 0, 1).key("a", ARRAY).int32(STRING).int64(1).int64(huge),
                        "key 'a'"),
                unsupported(
                        "arrays in arrays",
                        header(3, 0, 1).key("a", ARRAY).int32(ARRAY).int64(1).int32(ARRAY).int64(1),
                        "key 'a'"),
                broken("an unknown type", header(3, 0, 1).key("a", 13).int64(0), "unknown type 13"),
                broken("a flag of 2", header(3, 0, 1).key("a", BOOL).raw((byte) 2), "neither"),
                broken(
                        "a key twice",
                        header(3, 0, 2).number("a", 1).number("a", 1),
                        "key 'a' stands twice"),
                broken("an empty key", header(3, 0, 1).number("", 1), "empty"),
                broken("a key with a line feed", header(3, 0, 1).number("a\nb", 1), "a?b"),
                broken(
                        "a key that is no UTF-8",
                        header(3, 0, 1).int64(1).raw((byte) 0xff).int32(UINT32).int32(1),
                        "UTF-8"),
                broken(
                        "an alignment of 33",
                        header(3, 0, 1).number("general.alignment", 33),
                        "general.alignment"),
                broken(
                        "an alignment of 0",
                        header(3, 0, 1).number("general.alignment", 0),
                        "general.alignment"),
                broken(
                        "an alignment in words",
                        header(3, 0, 1).text("general.alignment", "32"),
                        "a whole number"),
                tensor("no dimensions", t -> t.tensor("t", F32, 0), "0 dimensions"),
                tensor(
                        "five dimensions",
                        t -> t.tensor("t", F32, 0, 1, 1, 1, 1, 1),
                        "5 dimensions"),
                tensor("a dimension of 0", t -> t.tensor("t", F32, 0, 0), "dimension 0 is 0"),
                tensor("a negative dimension", t -> t.tensor("t", F32, 0, -1), "dimension 0"),
                tensor(
                        "2^80 elements",
                        t -> t.tensor("t", F32, 0, 1L << 40, 1L << 40),
                        "overflows"),
                tensor("2^62 bytes", t -> t.tensor("t", F32, 0, huge), "overflows"),
                tensor("rows of half a block", t -> t.tensor("t", Q4_0, 0, 48), "whole blocks"),
                tensor("rows of an eighth", t -> t.tensor("t", Q4_K, 0, 32), "whole blocks"),
                tensor("a misplaced one", t -> t.tensor("t", F32, 4, 8), "alignment"),
                tensor("a hole before it", t -> t.tensor("t", F32, 32, 8), "begins at offset 32"),
                tensor("beyond the end", t -> t.tensor("t", F32, 0, 64), "truncated"),
                tensor("far beyond", t -> t.tensor("t", F32, 0, 1L << 40), "truncated"),
                tensor("an offset of 2^63", t -> t.tensor("t", F32, 1L << 63, 8), "offset"),
                tensor("a name with a tab", t -> t.tensor("a\tb", F32, 0, 8), "a?b"),
                Arguments.of(
                        "an unknown tensor type",
                        header(3, 1, 0).tensor("t", 99, 0, 8).aligned(32).raw(new byte[32]),
                        Reason.UNSUPPORTED,
                        "tensor 't': unknown type 99"),
                broken(
                        "two on top of each other",
                        header(3, 2, 0)
                                .tensor("t", F32, 0, 8)
                                .tensor("u", F32, 0, 8)
                                .aligned(32)
                                .raw(new byte[64]),
                        "'u'"),
                broken(
                        "two of one name",
                        header(3, 2, 0)
                                .tensor("t", F32, 0, 8)
                                .tensor("t", F32, 32, 8)
                                .aligned(32)
                                .raw(new byte[64]),
                        "tensor 't' stands twice"),
                broken(
                        "bytes after the last tensor",
                        header(3, 1, 0).tensor("t", F32, 0, 8).aligned(32).raw(new byte[96]),
                        "64 bytes follow"));
    }

    private static Arguments broken(String what, GgufBytes bytes, String message) {
        return Arguments.of(what, bytes, Reason.SOURCE_UNREADABLE, message);
    }

    private static Arguments unsupported(String what, GgufBytes bytes, String message) {
        return Arguments.of(what, bytes.raw(new byte[64]), Reason.UNSUPPORTED, message);
    }

    /// One tensor, and 32 bytes of data.
    private static Arguments tensor(
            String what, java.util.function.UnaryOperator<GgufBytes> headers, String message) {
        GgufBytes bytes = headers.apply(header(3, 1, 0)).aligned(32).raw(new byte[32]);
        return Arguments.of(what, bytes, Reason.SOURCE_UNREADABLE, message);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("hostileFiles")
    void whatCannotBeIsRefusedAtOnceAndInLittleMemory(
            String what, GgufBytes bytes, Reason reason, String message) {
        Path file = bytes.write(temp.resolve("hostile.gguf"));
        refusal(file); // classes and messages are loaded
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long allocated = threads.getCurrentThreadAllocatedBytes();
        long begin = threads.getCurrentThreadCpuTime();

        EngineException refusal = refusal(file);

        Duration spent = Duration.ofNanos(threads.getCurrentThreadCpuTime() - begin);
        allocated = threads.getCurrentThreadAllocatedBytes() - allocated;
        assertThat(spent).isLessThan(Duration.ofSeconds(1));
        // What an exception with its trace takes, whatever the file is like.
        assertThat(allocated).isLessThan(1 << 20);
        assertThat(refusal.reason()).isEqualTo(reason);
        assertThat(refusal).hasMessageContaining("hostile.gguf").hasMessageContaining(message);
        assertThat(refusal.getMessage()).doesNotContain("\n", "\t");
    }

    private static EngineException refusal(Path file) {
        EngineException thrown =
                catchThrowableOfType(
                        EngineException.class,
                        () -> {
                            try (Arena arena = Arena.ofConfined()) {
                                GgufFile.open(file, arena);
                            }
                        });
        assertThat(thrown).isNotNull();
        return thrown;
    }

    @Test
    void aMissingFileAFolderAndAPipeAreNamed() throws Exception {
        assertThat(refusal(temp.resolve("no.gguf")).reason()).isEqualTo(Reason.SOURCE_NOT_FOUND);
        assertThat(refusal(temp).reason()).isEqualTo(Reason.SOURCE_UNREADABLE);
    }

    @Test
    void everyCutOfAFileIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(TestFiles.resource("gguf/llama.q8_0.gguf"));
        Path file = temp.resolve("cut.gguf");
        Random random = new Random(4);
        for (int i = 0; i < 200; i++) {
            int length = i < 64 ? i : random.nextInt(whole.length);
            Files.write(file, java.util.Arrays.copyOf(whole, length));
            assertThat(refusal(file).reason()).isIn(Reason.SOURCE_UNREADABLE, Reason.UNSUPPORTED);
        }
    }

    /// Seeded: the same bytes each time. Whatever a file is, it opens or is refused by a typed
    /// error; nothing else comes out, and nothing outside the file is read.
    @Test
    void damagedFilesOpenOrAreRefused() throws IOException {
        byte[] whole = Files.readAllBytes(TestFiles.resource("gguf/llama.q8_0.gguf"));
        int header = 9000; // keys and tensor headers
        Random random = new Random(1);
        Path file = temp.resolve("damaged.gguf");
        int refused = 0;
        for (int i = 0; i < 1500; i++) {
            byte[] damaged = whole.clone();
            for (int change = random.nextInt(4); change >= 0; change--) {
                int at = random.nextInt(header);
                switch (random.nextInt(3)) {
                    case 0 -> damaged[at] ^= (byte) (1 << random.nextInt(8));
                    case 1 -> damaged[at] = (byte) random.nextInt(256);
                    default -> java.util.Arrays.fill(damaged, at, at + 8, (byte) 0xff);
                }
            }
            Files.write(file, damaged);
            try (Arena arena = Arena.ofConfined()) {
                GgufFile read = GgufFile.open(file, arena);
                read.tensors().forEach(t -> t.data().get(ValueLayout.JAVA_BYTE, 0));
                readEverything(read.metadata());
            } catch (EngineException e) {
                refused++;
            }
        }
        assertThat(refused).isBetween(200, 1499);
    }

    private static void readEverything(GgufMetadata metadata) {
        for (String key : metadata.values().keySet()) {
            if (metadata.values().get(key) instanceof GgufValue.Array array) {
                switch (array.type()) {
                    case STRING -> metadata.texts(key, 1 << 20);
                    case FLOAT32 -> metadata.floats(key, 1 << 20);
                    case INT32, UINT32, BOOL, UINT8 -> metadata.integers(key, 1 << 20);
                    default -> {}
                }
            }
        }
    }
}
