package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.Inspection.Kind;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InspectionTest {

    @TempDir Path temp;

    @Test
    void a_safetensors_file_shows_types_shapes_and_digests() {
        Inspection inspection =
                Inspection.of(TestFiles.golden("llama").resolve("model.safetensors"));

        assertThat(inspection.kind()).isEqualTo(Kind.SAFETENSORS);
        assertThat(inspection.tensors()).hasSize(3 * 9 + 3);
        assertThat(inspection.tensors())
                .allMatch(t -> t.dtype().equals("F32") && t.sha256().length() == 64);
    }

    @Test
    void a_source_folder_shows_its_plan() {
        Inspection inspection = Inspection.of(TestFiles.golden("llama-3.2"));

        assertThat(inspection.kind()).isEqualTo(Kind.SOURCE);
        assertThat(inspection.facts()).containsEntry("dtype", "BF16").containsEntry("layers", "3");
        assertThat(inspection.tensors()).hasSize(3 * 9 + 2);
    }

    @Test
    void an_artifact_shows_its_digests_by_folder_and_by_manifest() {
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact =
                        new Converter(1)
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT4),
                                        new ArtifactStore(temp),
                                        new ConversionListener() {})) {
            Inspection inspection = Inspection.of(artifact.folder());

            assertThat(inspection.kind()).isEqualTo(Kind.ARTIFACT);
            assertThat(inspection.facts())
                    .containsEntry("model_digest", artifact.digest().orElseThrow())
                    .containsEntry("recipe", "int4-g32-absmax");
            assertThat(inspection.tensors())
                    .filteredOn(t -> t.quantization().equals("int4-g32"))
                    .hasSize(21)
                    .allMatch(t -> t.relativeError() > 0.01);
            assertThat(Inspection.of(artifact.folder().resolve("manifest.json")).facts())
                    .isEqualTo(inspection.facts());
        }
    }

    @Test
    void a_numpy_array_shows_its_shape() {
        Inspection inspection = Inspection.of(TestFiles.golden("llama").resolve("logits.npy"));

        assertThat(inspection.kind()).isEqualTo(Kind.NPY);
        assertThat(inspection.tensors().getFirst().shape()).isEqualTo(List.of(60L, 320L));
    }

    @Test
    void aGgufFileShowsItsKeysAndTensorsUnderItsOwnNames() {
        Inspection inspection = Inspection.of(TestFiles.resource("gguf/llama-k.q4_k_m.gguf"));

        assertThat(inspection.kind()).isEqualTo(Inspection.Kind.GGUF);
        assertThat(inspection.facts())
                .containsEntry("version", "3")
                .containsEntry("tensors", "12")
                .containsEntry("metadata.general.architecture", "llama")
                .containsEntry("metadata.llama.block_count", "1")
                .containsEntry("metadata.tokenizer.ggml.tokens", "320 x STRING");
        assertThat(inspection.tensors())
                .extracting(Inspection.TensorFacts::name, Inspection.TensorFacts::dtype)
                .contains(
                        tuple("output.weight", "Q6_K"),
                        tuple("blk.0.attn_q.weight", "Q4_K"),
                        tuple("output_norm.weight", "F32"));
        assertThat(inspection.tensors())
                .filteredOn(tensor -> tensor.name().equals("blk.0.attn_k.weight"))
                .allMatch(t -> t.shape().equals(List.of(128L, 256L)) && t.bytes() == 128 * 144);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x", "GGUF\u0003\u0000\u0000\u0000", "PK\u0003\u0004aaaaaaaa"})
    void anything_else_is_refused_with_its_name(String content) throws IOException {
        Path file = temp.resolve("strange.bin");
        Files.write(file, content.getBytes(StandardCharsets.ISO_8859_1));

        assertThatThrownBy(() -> Inspection.of(file))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("strange.bin");
    }

    /// Nothing in them says what they are.
    @ParameterizedTest
    @ValueSource(strings = {"a.npz", "a.npy", "a.gguf", "a.safetensors"})
    void files_without_content_are_judged_by_their_names(String name) throws IOException {
        Path file = Files.write(temp.resolve(name), new byte[0]);

        assertThatThrownBy(() -> Inspection.of(file))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining(name)
                .message()
                .satisfies(message -> {
                    if (!name.endsWith(".safetensors")) {
                        assertThat(message).doesNotContain("a safetensors file");
                    }
                });
    }

    @Test
    void a_missing_file_is_named() {
        assertThatThrownBy(() -> Inspection.of(temp.resolve("nowhere.safetensors")))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_NOT_FOUND))
                .hasMessageContaining("nowhere");
    }
}
