package dev.tokenlog.engine.format.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {

    private static final String GOOD =
            """
            {"__metadata__":{"format":"pt"},
             "a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
             "b":{"dtype":"U8","shape":[4],"data_offsets":[24,28]}}\
            """;

    @TempDir Path temp;

    private Path file(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return file(json.length, json, dataBytes);
    }

    private Path file(long length, byte[] json, int dataBytes) {
        ByteBuffer bytes =
                ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(length).put(json);
        try {
            return Files.write(temp.resolve("test.safetensors"), bytes.array());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static List<Tensor> open(Path file) {
        try (Arena arena = Arena.ofConfined()) {
            return SafetensorsFile.open(file, arena).tensors();
        }
    }

    @Test
    void a_good_file_is_read() {
        assertThat(open(file(GOOD, 28))).extracting(Tensor::name).containsExactly("a", "b");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "tensor-1d-int32.safetensors",
                "tensor-2d-float64.safetensors",
                "tensor-3d-float32.safetensors",
                "tensor-4d-float32.safetensors"
            })
    void files_of_another_project_are_read(String name) throws IOException {
        Path folder = TestFiles.shared("safetensors-fixtures");
        JsonNode expected =
                StrictJson.MAPPER
                        .readTree(Files.readString(folder.resolve("expected.json")))
                        .get(name);

        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile file = SafetensorsFile.open(folder.resolve(name), arena);
            Tensor tensor = file.tensor("embedding").orElseThrow();
            JsonNode wanted = expected.get("embedding");

            assertThat(tensor.type().name()).isEqualTo(wanted.get("dtype").asText());
            if (wanted.has("shape")) {
                assertThat(tensor.shape())
                        .containsExactlyElementsOf(
                                StreamSupport.stream(wanted.get("shape").spliterator(), false)
                                        .map(JsonNode::asLong)
                                        .toList());
            }
            JsonNode values =
                    wanted.has("values") ? wanted.get("values") : wanted.get("flat_values");
            assertThat(numbers(tensor)).isEqualTo(flat(values));
        }
    }

    private static double[] flat(JsonNode values) {
        return values.isArray()
                ? StreamSupport.stream(values.spliterator(), false)
                        .flatMapToDouble(v -> Arrays.stream(flat(v)))
                        .toArray()
                : new double[] {values.asDouble()};
    }

    private static double[] numbers(Tensor tensor) {
        double[] numbers = new double[(int) tensor.elements()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] =
                    switch (tensor.type()) {
                        case I32 -> tensor.data().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i);
                        case F32 -> tensor.data().getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
                        case F64 -> tensor.data().getAtIndex(ValueLayout.JAVA_DOUBLE_UNALIGNED, i);
                        default -> throw new IllegalStateException(tensor.type().name());
                    };
        }
        return numbers;
    }

    /// One bad header a line, for 28 bytes of data.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "[]",
                "{",
                " {}",
                "{}{}",
                "{\"a\":1}",
                "{\"a\":{}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28],\"x\":1}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28,29]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[28,0]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[-7],\"data_offsets\":[0,28]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[7.0],\"data_offsets\":[0,28]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,28]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387911],\"data_offsets\":[0,28]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,28]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[4,28]}}",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[20],\"data_offsets\":[0,20]},"
                        + "\"b\":{\"dtype\":\"U8\",\"shape\":[10],\"data_offsets\":[18,28]}}",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[10],\"data_offsets\":[0,10]},"
                        + "\"b\":{\"dtype\":\"U8\",\"shape\":[10],\"data_offsets\":[18,28]}}",
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[14],\"data_offsets\":[0,14]},"
                        + "\"a\":{\"dtype\":\"U8\",\"shape\":[14],\"data_offsets\":[14,28]}}",
                "{\"\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28]}}",
                "{\"a\\nb\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28]}}",
                "{\"__metadata__\":{\"a\":1},"
                        + "\"a\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28]}}",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28]}} x",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,7],"
                        + "\"data_offsets\":[0,28]}}"
            })
    void a_broken_header_is_refused(String header) {
        assertThatThrownBy(() -> open(file(header, 28)))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE))
                .hasMessageContaining("test.safetensors");
    }

    @Test
    void an_unknown_type_is_refused_by_its_name() {
        String header = "{\"a\":{\"dtype\":\"F8_E5M2\",\"shape\":[28],\"data_offsets\":[0,28]}}";

        assertThatThrownBy(() -> open(file(header, 28)))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED))
                .hasMessageContainingAll("'a'", "F8_E5M2");
    }

    @Test
    void a_cut_file_names_the_tensor_that_is_cut() {
        assertThatThrownBy(() -> open(file(GOOD, 27)))
                .isInstanceOf(EngineException.class)
                .hasMessageContainingAll("tensor 'b'", "truncated");
        assertThatThrownBy(() -> open(file(GOOD, 20)))
                .isInstanceOf(EngineException.class)
                .hasMessageContainingAll("tensor 'a'", "truncated");
        assertThatThrownBy(() -> open(file(GOOD, 29)))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("1 bytes follow");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 100_000_001, 3_000_000})
    void a_length_beyond_the_file_is_refused_before_it_is_believed(long length) {
        byte[] json = GOOD.getBytes(StandardCharsets.UTF_8);

        assertThatThrownBy(() -> open(file(length, json, 28)))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("header");
    }

    @Test
    void deep_nesting_is_refused() {
        String deep = "{\"a\":" + "[".repeat(100_000);

        assertThatThrownBy(() -> open(file(deep, 0))).isInstanceOf(EngineException.class);
    }

    @Test
    void bytes_that_are_no_text_are_refused() {
        byte[] json = GOOD.getBytes(StandardCharsets.UTF_8);
        json[2] = (byte) 0xff;

        assertThatThrownBy(() -> open(file(json.length, json, 28)))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("UTF-8");
    }

    /// Whatever the bytes are: either they are a valid file, or the engine's own exception says why
    /// not. A slice outside of the file would throw something else.
    @Test
    void spoiled_files_never_break_the_reader() throws IOException {
        byte[] good = Files.readAllBytes(file(GOOD, 28));
        Random random = new Random(42);
        Assertions.assertTimeout(
                Duration.ofMinutes(5),
                () -> {
                    for (int round = 0; round < 3000; round++) {
                        Path file = Files.write(temp.resolve("bad"), spoiled(good, random));
                        try {
                            assertThat(open(file)).allMatch(t -> t.data().byteSize() <= 28);
                        } catch (EngineException e) {
                            assertThat(e).hasMessageContaining(file.toString());
                        }
                    }
                });
    }

    private static byte[] spoiled(byte[] good, Random random) {
        byte[] bad = good.clone();
        for (int edits = random.nextInt(1, 5); edits > 0; edits--) {
            int at = random.nextInt(bad.length);
            switch (random.nextInt(4)) {
                case 0 -> bad[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bad[at] = (byte) "0123456789{}[],:\"-.eE".charAt(random.nextInt(21));
                case 2 -> bad = Arrays.copyOf(bad, Math.max(1, at));
                default -> {
                    int length = random.nextInt(1, 30);
                    System.arraycopy(
                            good,
                            random.nextInt(good.length - 30),
                            bad,
                            Math.min(at, bad.length - 1),
                            Math.min(length, bad.length - Math.min(at, bad.length - 1)));
                }
            }
        }
        return bad;
    }

    @Test
    void what_the_writer_writes_is_valid_and_aligned() {
        SafetensorsLayout layout =
                new SafetensorsLayout(
                        Map.of("format", "tokenlog"),
                        List.of(
                                new Declared("codes", DataType.U8, List.of(3L, 5L)),
                                new Declared("scales", DataType.F16, List.of(3L, 1L)),
                                new Declared("norm", DataType.F32, List.of(5L))));
        Path path = temp.resolve("written.safetensors");
        try (SafetensorsWriter writer = new SafetensorsWriter(path, layout)) {
            assertThat(writer.isResumed()).isFalse();
            writer.write("codes", 10, ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 5}));
            assertThatThrownBy(() -> writer.write("codes", 11, ByteBuffer.allocate(5)))
                    .isInstanceOf(IllegalArgumentException.class);
        }
        try (SafetensorsWriter again = new SafetensorsWriter(path, layout)) {
            assertThat(again.isResumed()).isTrue();
        }

        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile file = SafetensorsFile.open(path, arena);
            assertThat(file.header().metadata()).containsEntry("format", "tokenlog");
            assertThat(file.tensors())
                    .extracting(Tensor::name)
                    .containsExactly("norm", "scales", "codes");
            assertThat(file.tensor("codes").orElseThrow().data().toArray(ValueLayout.JAVA_BYTE))
                    .endsWith(1, 2, 3, 4, 5);
            assertThat(file.tensor("norm").orElseThrow().data().address() % 64).isZero();
        }
    }
}
