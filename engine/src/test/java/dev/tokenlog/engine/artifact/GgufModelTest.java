package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.Logits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The golden models as llama.cpp's own converter wrote them (`src/test/gguf/generate.py`) against
/// the folders that they were made of, and against the logits of Hugging Face transformers.
class GgufModelTest {

    private static final double TOLERANCE = 1e-3;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama-biases.bf16",
                "llama-f16.f16",
                "llama-3.2.bf16",
                "llama-linear.bf16",
                "llama-yarn.bf16",
                "gemma.bf16",
                "gemma2.f32",
                "gemma3-text.bf16",
                "phi3-longrope.f32",
                "phi3-partial-rotary.bf16",
                "qwen2.bf16",
                "qwen3.f32",
                "granite.bf16",
                "olmo2.bf16",
                "smollm3.bf16",
                "mixtral.bf16",
                "qwen3-moe.bf16"
            })
    void weights_have_the_bits_of_the_folder(String name) {
        try (SourceModel gguf = SourceModel.open(file(name));
                SourceModel folder = SourceModel.open(golden(name))) {
            assertThat(gguf.plannedTensors()).isEqualTo(folder.plannedTensors());
            for (PlannedTensor tensor : folder.plannedTensors()) {
                assertThat(bits(gguf, tensor))
                        .describedAs(tensor.name())
                        .isEqualTo(bits(folder, tensor));
            }
        }
    }

    private static int[] bits(SourceModel model, PlannedTensor tensor) {
        float[] values;
        if (tensor.kind().isMatrix()) {
            Matrix matrix = model.matrix(tensor.name());
            values = Dequantizer.all(matrix);
        } else {
            values = model.vector(tensor.name());
            if (model.plan().family().startsWith("gemma")) {
                // What counts is 1 + w; its w may have lost bits on the way into the file.
                for (int i = 0; i < values.length; i++) {
                    values[i] = 1 + values[i];
                }
            }
        }
        int[] bits = new int[values.length];
        Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
        return bits;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama-biases.bf16",
                "llama-f16.f16",
                "llama-3.2.bf16",
                "llama-linear.bf16",
                "llama-yarn.bf16",
                "gemma.bf16",
                "gemma2.f32",
                "gemma3-text.bf16",
                "phi3-longrope.f32",
                "phi3-partial-rotary.bf16",
                "qwen2.bf16",
                "qwen3.f32",
                "granite.bf16",
                "olmo2.bf16",
                "smollm3.bf16",
                "mixtral.bf16",
                "qwen3-moe.bf16",
                "llama.q4_0",
                "llama-k.q4_k_m"
            })
    void logits_are_those_of_the_reference(String name) throws IOException {
        Path reference = reference(name);
        try (SourceModel model = SourceModel.open(file(name));
                Executor executor =
                        CpuExecutor.open(model, CpuOptions.automatic().withThreads(2))) {
            for (JsonNode one : TestMaterial.json(reference).get("cases")) {
                check(executor, reference.getParent(), one);
            }
        }
    }

    @Test
    void damagedFilesOpenOrAreRefused(@TempDir Path temp) throws IOException {
        byte[] whole = Files.readAllBytes(file("llama.q4_0"));
        Random random = new Random(7);
        Path file = temp.resolve("damaged.gguf");
        int refused = 0;
        for (int i = 0; i < 400; i++) {
            byte[] damaged = whole.clone();
            for (int change = random.nextInt(3); change >= 0; change--) {
                damaged[random.nextInt(9000)] ^= (byte) (1 << random.nextInt(8));
            }
            Files.write(file, damaged);
            try (SourceModel model = SourceModel.open(file)) {
                assertThat(model.plan().layers()).isNotEmpty();
            } catch (EngineException e) {
                assertThat(e).hasMessageContaining("damaged.gguf");
                refused++;
            }
        }
        assertThat(refused).isBetween(50, 399);
    }

    static Stream<Arguments> keysThatAreRefused() {
        return Stream.of(
                Arguments.of("general.architecture", "falcon", Reason.UNSUPPORTED),
                Arguments.of("general.type", "adapter", Reason.UNSUPPORTED),
                Arguments.of("llama.rope.scaling.type", "new", Reason.UNSUPPORTED),
                Arguments.of("llama.some.new.thing", 3, Reason.UNSUPPORTED),
                Arguments.of("llama.rope.dimension_count", 8, Reason.UNSUPPORTED),
                Arguments.of("split.count", 2, Reason.UNSUPPORTED),
                Arguments.of("llama.attention.value_length", 8, Reason.UNSUPPORTED),
                Arguments.of("llama.attention.causal", false, Reason.UNSUPPORTED),
                Arguments.of("llama.block_count", 1 << 27, Reason.SOURCE_UNREADABLE),
                Arguments.of("llama.block_count", 4, Reason.SOURCE_UNREADABLE),
                Arguments.of("llama.block_count", 2, Reason.UNSUPPORTED),
                Arguments.of("llama.embedding_length", 0, Reason.SOURCE_UNREADABLE),
                Arguments.of("llama.attention.head_count", 3, Reason.SOURCE_UNREADABLE),
                Arguments.of("llama.vocab_size", 321, Reason.SOURCE_UNREADABLE));
    }

    /// A file with one key changed or added.
    @ParameterizedTest
    @MethodSource
    void keysThatAreRefused(String key, Object value, Reason reason, @TempDir Path temp) {
        Path changed = GgufEdits.with(file("llama.q4_0"), key, value, temp.resolve("changed.gguf"));
        assertThatThrownBy(() -> SourceModel.open(changed).close())
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> {
                            assertThat(e.reason()).describedAs(e.getMessage()).isEqualTo(reason);
                            assertThat(e).hasMessageContaining("changed.gguf");
                        });
    }

    private static void check(Executor executor, Path folder, JsonNode reference)
            throws IOException {
        int[] ids = ints(reference.get("input_ids"));
        float[] expected = NpyArray.read(folder.resolve(reference.get("logits").asText())).values();
        float tolerance = (float) (TOLERANCE * reference.get("std_of_logits").asDouble());
        float[][] logits = Logits.of(executor, ids);
        int vocabulary = executor.plan().vocabularySize();
        assertThat(expected).hasSize(ids.length * vocabulary);
        for (int i = 0; i < expected.length; i++) {
            float found = logits[i / vocabulary][i % vocabulary];
            if (!(Math.abs(found - expected[i]) <= tolerance)) {
                fail(
                        "position %d id %d: %s, expected %s within %s"
                                .formatted(
                                        i / vocabulary,
                                        i % vocabulary,
                                        found,
                                        expected[i],
                                        tolerance));
            }
        }
        int[] greedy = ints(reference.get("greedy_ids"));
        assertThat(Logits.greedy(executor, ids, greedy.length)).isEqualTo(greedy);
    }

    private static int[] ints(JsonNode array) {
        int[] result = new int[array.size()];
        Arrays.setAll(result, i -> array.get(i).asInt());
        return result;
    }

    /// Of the file itself, of the model whichever its type, or of the folder.
    private static Path reference(String name) {
        Path folder = TestFiles.resource("gguf");
        for (String each : new String[] {name, model(name)}) {
            Path own = folder.resolve(each + ".reference.json");
            if (Files.exists(own)) {
                return own;
            }
        }
        return golden(name).resolve("reference.json");
    }

    private static Path file(String name) {
        return TestFiles.resource("gguf/" + name + ".gguf");
    }

    /// The folder that a file was made of: the repository's, or one that lies beside the checkout.
    private static Path golden(String name) {
        Path bundled =
                TestFiles.root().resolve("engine/src/test/resources/golden").resolve(model(name));
        return Files.exists(bundled) ? bundled : TestFiles.shared("golden").resolve(model(name));
    }

    private static String model(String name) {
        return name.substring(0, name.lastIndexOf('.'));
    }
}
