package dev.tokenlog.engine.format.npz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.npy.NpyHeader;
import dev.tokenlog.engine.tensor.DataType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NpzFileTest {

    /// Of a directory's entry: where its fields stand.
    private static final int FLAGS = 8;

    private static final int METHOD = 10;
    private static final int CRC = 16;
    private static final int COMPRESSED = 20;
    private static final int SIZE = 24;
    private static final int OFFSET = 42;

    @TempDir Path temp;

    private static byte[] npy(String header, int dataBytes) {
        byte[] ascii = header.getBytes(StandardCharsets.ISO_8859_1);
        return ByteBuffer.allocate(10 + ascii.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(NpyHeader.write(DataType.U8, List.of(1L)), 0, 8)
                .putShort((short) ascii.length)
                .put(ascii)
                .array();
    }

    private static byte[] array(long... shape) {
        List<Long> sizes = java.util.Arrays.stream(shape).boxed().toList();
        byte[] header = NpyHeader.write(DataType.U8, sizes);
        int bytes = (int) java.util.Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        byte[] all = java.util.Arrays.copyOf(header, header.length + bytes);
        for (int i = header.length; i < all.length; i++) {
            all[i] = (byte) (i * 31);
        }
        return all;
    }

    /// An archive with these entries, deflated.
    private static byte[] zip(Object... namesAndBytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            for (int i = 0; i < namesAndBytes.length; i += 2) {
                byte[] bytes = (byte[]) namesAndBytes[i + 1];
                ZipEntry entry = new ZipEntry((String) namesAndBytes[i]);
                CRC32 crc = new CRC32();
                crc.update(bytes);
                entry.setCrc(crc.getValue());
                entry.setSize(bytes.length);
                zip.putNextEntry(entry);
                zip.write(bytes);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    private static int directory(byte[] zip) {
        ByteBuffer bytes = ByteBuffer.wrap(zip).order(ByteOrder.LITTLE_ENDIAN);
        return bytes.getInt(zip.length - 6);
    }

    private static byte[] with(byte[] zip, int field, int bytes, long value) {
        byte[] changed = zip.clone();
        ByteBuffer buffer = ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN);
        int at = directory(zip) + field;
        if (bytes == 2) {
            buffer.putShort(at, (short) value);
        } else {
            buffer.putInt(at, (int) value);
        }
        return changed;
    }

    private Path file(byte[] bytes) {
        try {
            return Files.write(temp.resolve("a.npz"), bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void readAll(Path path) {
        try (NpzFile file = NpzFile.open(path)) {
            for (NpzFile.ArrayFacts array : file.arrays()) {
                try (InputStream numbers = file.numbers(array.key())) {
                    assertThat(numbers.transferTo(java.io.OutputStream.nullOutputStream()))
                            .isEqualTo(array.bytes());
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
    }

    private void refused(byte[] bytes, Reason reason, String... words) {
        assertThatThrownBy(() -> readAll(file(bytes)))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContaining("a.npz")
                .satisfies(e -> {
                    for (String word : words) {
                        assertThat(e).hasMessageContaining(word);
                    }
                });
    }

    @Test
    void what_numpy_wrote_is_read() {
        readAll(TestFiles.resource("manifests/converter.npz"));
        readAll(TestFiles.resource("manifests/named.npz"));
    }

    @Test
    void what_we_wrote_is_read_and_is_the_same_each_time() throws IOException {
        byte[] first = null;
        for (int round = 0; round < 2; round++) {
            Path path = temp.resolve("w" + round + ".npz");
            try (NpzWriter writer = new NpzWriter(path)) {
                writer.begin("a.b", DataType.I32, List.of(2L, 3L));
                writer.write(new byte[24], 24);
                writer.begin("scalar", DataType.I64, List.of());
                writer.write(new byte[] {7, 0, 0, 0, 0, 0, 0, 0}, 8);
                writer.finish();
            }
            readAll(path);
            byte[] bytes = Files.readAllBytes(path);
            assertThat(first == null ? bytes : first).isEqualTo(bytes);
            first = bytes;
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"../x.npy", "/x.npy", "a/../../x.npy", "a\\x.npy", "C:x.npy", "a\u0007.npy"})
    void a_name_that_leads_elsewhere_is_refused(String name) {
        refused(zip(name, array(3)), Reason.SOURCE_UNREADABLE, "no name of an array");
    }

    @Test
    void a_name_that_stands_twice_is_refused() {
        byte[] zip = zip("aa.npy", array(3), "ab.npy", array(4));
        String text = new String(zip, StandardCharsets.ISO_8859_1).replace("ab.npy", "aa.npy");

        refused(
                text.getBytes(StandardCharsets.ISO_8859_1),
                Reason.SOURCE_UNREADABLE,
                "'aa.npy' stands twice");
    }

    @Test
    void a_wrong_checksum_is_noticed_at_the_end() {
        refused(
                with(zip("x.npy", array(100)), CRC, 4, 77),
                Reason.SOURCE_UNREADABLE,
                "x.npy",
                "CRC-32");
    }

    @Test
    void encryption_and_other_compressions_are_refused_by_name() {
        byte[] zip = zip("x.npy", array(3));

        refused(with(zip, FLAGS, 2, 9), Reason.UNSUPPORTED, "x.npy", "encrypted");
        refused(with(zip, METHOD, 2, 14), Reason.UNSUPPORTED, "x.npy", "compression method 14");
    }

    @ParameterizedTest
    @CsvSource({
        COMPRESSED + ",2147483647,outside",
        COMPRESSED + ",4294967295,outside",
        COMPRESSED + ",3,missing",
        SIZE + ",2000000000,cannot become",
        SIZE + ",64,more than its",
        OFFSET + ",2147483647,outside",
        OFFSET + ",4294967295,outside",
        OFFSET + ",1,no entry"
    })
    void sizes_and_places_that_lie_are_refused(int field, long value, String why) {
        refused(
                with(zip("x.npy", array(1000)), field, 4, value),
                Reason.SOURCE_UNREADABLE,
                "x.npy",
                why);
    }

    @Test
    void an_entry_that_unpacks_to_more_than_it_says_is_refused() {
        byte[] real = array(1000);
        byte[] said = array(900);
        byte[] longer = real.clone();
        System.arraycopy(said, 0, longer, 0, 128);

        refused(
                with(zip("x.npy", longer), SIZE, 4, said.length),
                Reason.SOURCE_UNREADABLE,
                "x.npy",
                "more than its");
    }

    /// 300 MB of zeros in 300 KB; nothing of it is unpacked.
    @Test
    void a_bomb_is_refused_before_it_is_unpacked() {
        byte[] zeros = new byte[300_000_000];
        byte[] header = NpyHeader.write(DataType.U8, List.of((long) zeros.length - 128));
        System.arraycopy(header, 0, zeros, 0, header.length);

        refused(zip("bomb.npy", zeros), Reason.SOURCE_UNREADABLE, "bomb.npy", "unpack to more");
    }

    /// Many names for the same bytes.
    @Test
    void entries_that_overlap_are_refused() {
        byte[] zip = zip("aa.npy", array(50), "ab.npy", array(50));
        int second = directory(zip) + 46 + 6;
        byte[] changed = zip.clone();
        ByteBuffer.wrap(changed)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(second + OFFSET, 0)
                .put(second + 46 + 1, (byte) 'c');

        refused(changed, Reason.SOURCE_UNREADABLE, "another name");
        changed[second + 46 + 1] = 'a';
        refused(changed, Reason.SOURCE_UNREADABLE, "stands twice");
    }

    @Test
    void a_count_of_entries_that_cannot_be_is_refused() {
        byte[] zip = zip("x.npy", array(3));
        ByteBuffer.wrap(zip)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort(zip.length - 12, (short) 60_000);

        refused(zip, Reason.SOURCE_UNREADABLE, "60000 entries");
    }

    @Test
    void pickled_objects_are_refused_with_the_reason() {
        refused(
                zip("x.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", 8)),
                Reason.UNSUPPORTED,
                "x.npy",
                "pickled");
    }

    @Test
    void shapes_that_no_file_holds_are_refused() {
        for (String shape :
                List.of(
                        "(9223372036854775807, 9)",
                        "(99999999999999999999,)",
                        "(4611686018427,)")) {
            String header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n";
            refused(zip("x.npy", npy(header, 8)), Reason.SOURCE_UNREADABLE, "x.npy");
        }
    }

    @Test
    void what_is_no_array_is_refused() {
        refused(zip("x.txt", array(3)), Reason.UNSUPPORTED, "x.txt");
        refused(zip("x.npy", new byte[] {1, 2, 3}), Reason.SOURCE_UNREADABLE, "x.npy");
        refused(new byte[] {'P', 'K', 3, 4}, Reason.SOURCE_UNREADABLE, "end is missing");
    }

    /// An archive of one stored entry whose sizes stand in the zip64 fields, as numpy writes large
    /// ones.
    private static byte[] zip64(long size) {
        byte[] data = array(20);
        CRC32 crc = new CRC32();
        crc.update(data);
        byte[] name = "x.npy".getBytes(StandardCharsets.US_ASCII);
        ByteBuffer zip = ByteBuffer.allocate(1000).order(ByteOrder.LITTLE_ENDIAN);
        zip.putInt(0x04034b50).putShort((short) 45).putShort((short) 0).putShort((short) 0);
        zip.putInt(0).putInt((int) crc.getValue()).putInt(-1).putInt(-1);
        zip.putShort((short) name.length).putShort((short) 20).put(name);
        zip.putShort((short) 1).putShort((short) 16).putLong(data.length).putLong(data.length);
        zip.put(data);
        int directory = zip.position();
        zip.putInt(0x02014b50).putShort((short) 45).putShort((short) 45);
        zip.putShort((short) 0).putShort((short) 0).putInt(0).putInt((int) crc.getValue());
        zip.putInt(-1).putInt(-1).putShort((short) name.length).putShort((short) 20);
        zip.putShort((short) 0).putShort((short) 0).putShort((short) 0).putInt(0).putInt(0);
        zip.put(name);
        zip.putShort((short) 1).putShort((short) 16).putLong(size).putLong(size);
        int end64 = zip.position();
        zip.putInt(0x06064b50).putLong(44).putShort((short) 45).putShort((short) 45);
        zip.putInt(0).putInt(0).putLong(1).putLong(1).putLong(end64 - directory).putLong(directory);
        zip.putInt(0x07064b50).putInt(0).putLong(end64).putInt(1);
        zip.putInt(0x06054b50).putInt(0).putShort((short) -1).putShort((short) -1);
        zip.putInt(-1).putInt(-1).putShort((short) 0);
        return java.util.Arrays.copyOf(zip.array(), zip.position());
    }

    @Test
    void zip64_is_read_and_its_sizes_are_believed_no_more_than_others() {
        long right = array(20).length;
        readAll(file(zip64(right)));

        refused(zip64(-1), Reason.SOURCE_UNREADABLE, "x.npy", "outside");
        refused(zip64(1L << 60), Reason.SOURCE_UNREADABLE, "x.npy", "outside");
        refused(zip64(right - 1), Reason.SOURCE_UNREADABLE, "x.npy");
    }

    /// The archive is at fault for what cannot be read in it, not the folder that it is unpacked
    /// to.
    @Test
    void an_archive_that_ends_while_it_is_unpacked_is_unreadable() throws IOException {
        byte[] whole = Files.readAllBytes(TestFiles.resource("manifests/converter.npz"));
        Path file = Files.write(temp.resolve("archive.npz"), whole);
        try (NpzFile archive = NpzFile.open(file);
                Arena arena = Arena.ofConfined()) {
            Files.write(file, java.util.Arrays.copyOf(whole, 100));
            String key = archive.arrays().getLast().key();

            assertThatThrownBy(() -> archive.unpack(key, temp, arena))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE));
        }
    }
}
