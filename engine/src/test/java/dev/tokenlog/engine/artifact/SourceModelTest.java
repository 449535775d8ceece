package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.tensor.Matrix;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SourceModelTest {

    @TempDir Path temp;

    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama-3.2", "llama-new-dialect"})
    void a_folder_of_the_family_opens(String name) {
        try (SourceModel model = SourceModel.open(TestFiles.golden(name))) {
            assertThat(model.plan().layers()).hasSize(3);
            assertThat(model.skippedTensors()).isEmpty();
            assertThat(model.vector("model.norm.weight")).hasSize(64);
            assertThat(model.digest()).isEmpty();
        }
    }

    @Test
    void the_bundled_model_is_read_as_it_was_saved() {
        try (SourceModel model = SourceModel.open(TestFiles.demoModel())) {
            Matrix matrix = model.matrix("model.layers.0.mlp.down_proj.weight");

            assertThat(matrix).isInstanceOf(Matrix.Float.class);
            assertThat(matrix.rows()).isEqualTo(256);
            assertThat(matrix.columns()).isEqualTo(640);
            assertThat(model.dataType()).isEqualTo("BF16");
            assertThat(model.plan().headTensor()).isEqualTo("model.embed_tokens.weight");
            assertThat(model.file("tokenizer.json")).isPresent();
            assertThat(model.file("nothing.json")).isEmpty();
        }
    }

    /// The text part of a model that also sees images has the names of a text model; what sees is
    /// listed as skipped.
    @Test
    void of_a_model_that_sees_images_the_text_is_read() {
        try (SourceModel model = SourceModel.open(TestFiles.golden("gemma3-whole"))) {
            assertThat(model.plan().family()).isEqualTo("gemma3_text");
            assertThat(model.plan().layers()).hasSize(7);
            assertThat(model.plan().embeddingTensor()).isEqualTo("model.embed_tokens.weight");
            assertThat(model.skippedTensors())
                    .hasSizeGreaterThan(10)
                    .allMatch(skipped -> skipped.reason().startsWith("sees images"))
                    .anyMatch(skipped -> skipped.name().startsWith("multi_modal_projector."));
        }
    }

    /// Newer repositories keep it elsewhere.
    @Test
    void both_names_of_the_text_part_are_known() throws IOException {
        Path older = TestFiles.golden("gemma3-whole");
        Path newer = TestFiles.copy(older, temp.resolve("model"));
        rename(
                newer.resolve("model.safetensors"),
                "language_model.model.",
                "model.language_model.");

        try (SourceModel a = SourceModel.open(older);
                SourceModel b = SourceModel.open(newer)) {
            assertThat(b.vector("model.norm.weight")).isEqualTo(a.vector("model.norm.weight"));
            assertThat(b.skippedTensors()).hasSameSizeAs(a.skippedTensors());
        }
    }

    /// Names in the header of a safetensors file, of the same length.
    private static void rename(Path file, String from, String to) throws IOException {
        assertThat(to).hasSameSizeAs(from);
        byte[] bytes = Files.readAllBytes(file);
        int header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt();
        String text = new String(bytes, 8, header, StandardCharsets.UTF_8);
        byte[] renamed = text.replace(from, to).getBytes(StandardCharsets.UTF_8);
        System.arraycopy(renamed, 0, bytes, 8, header);
        Files.write(file, bytes);
    }

    @Test
    void a_missing_folder_is_named() {
        assertRefused(temp.resolve("nowhere"), Reason.SOURCE_NOT_FOUND, "nowhere");
    }

    @Test
    void a_missing_weight_file_is_named() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("model"));
        Files.delete(folder.resolve("model.safetensors"));

        assertRefused(folder, Reason.SOURCE_NOT_FOUND, "model.safetensors");
    }

    @Test
    void a_truncated_file_is_named_with_tensor_and_offset() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("model"));
        Path file = folder.resolve("model.safetensors");
        long size = Files.size(file);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(size - 1);
        }

        assertRefused(
                folder,
                Reason.SOURCE_UNREADABLE,
                "model.safetensors",
                "tensor '",
                "ends at offset " + size,
                "truncated");
    }

    @Test
    void a_missing_tensor_is_named() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("model"));
        replace(
                folder.resolve("config.json"),
                "\"num_hidden_layers\": 3",
                "\"num_hidden_layers\": 4");

        assertRefused(
                folder,
                Reason.SOURCE_UNREADABLE,
                "'model.layers.3.input_layernorm.weight' [64] is missing");
    }

    @Test
    void a_tensor_without_a_place_in_the_plan_is_refused_by_name() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("model"));
        replace(
                folder.resolve("config.json"),
                "\"num_hidden_layers\": 3",
                "\"num_hidden_layers\": 2");

        assertRefused(folder, Reason.UNSUPPORTED, "'model.layers.2.");
    }

    /// As some newer repositories store them.
    @Test
    void experts_that_share_a_tensor_are_refused_by_its_name() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("qwen3-moe"), temp.resolve("model"));
        Path file = folder.resolve("model.safetensors");
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        Files.writeString(
                file,
                text.replace(
                        "\"model.layers.0.mlp.experts.0.gate_proj.weight\"",
                        "\"model.layers.0.mlp.experts.gate_up_proj\"      "),
                StandardCharsets.ISO_8859_1);

        assertRefused(folder, Reason.UNSUPPORTED, "'model.layers.0.mlp.experts.gate_up_proj'");
    }

    @Test
    void a_tensor_of_another_shape_is_refused_by_name() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("model"));
        replace(
                folder.resolve("config.json"),
                "\"intermediate_size\": 160",
                "\"intermediate_size\": 128");

        assertRefused(folder, Reason.SOURCE_UNREADABLE, "gate_proj", "[160, 64]", "[128, 64]");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../outside.safetensors", "/etc/passwd", "a/b.safetensors", "..", ""})
    void an_index_does_not_lead_out_of_the_folder(String shard) throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama-3.2"), temp.resolve("model"));
        replace(
                folder.resolve("model.safetensors.index.json"),
                "model-00002-of-00002.safetensors",
                shard);

        assertRefused(folder, Reason.SOURCE_UNREADABLE, "index.json", "not the name of a file");
    }

    @Test
    void a_missing_shard_is_named() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama-3.2"), temp.resolve("model"));
        Files.delete(folder.resolve("model-00002-of-00002.safetensors"));

        assertRefused(folder, Reason.SOURCE_NOT_FOUND, "model-00002-of-00002.safetensors");
    }

    /// Both are in the files, and the configuration reads only one: which one is meant?
    @Test
    void a_head_of_its_own_beside_a_tied_embedding_is_refused_by_name() throws IOException {
        Path folder = tied();

        assertRefused(
                folder,
                Reason.SOURCE_UNREADABLE,
                "model.safetensors: tensor 'lm_head.weight' is no copy of"
                        + " 'model.embed_tokens.weight'",
                "set 'tie_word_embeddings' to false");
    }

    @Test
    void a_head_that_copies_the_tied_embedding_is_left_out() throws IOException {
        Path folder = tied();
        copyTensor(
                folder.resolve("model.safetensors"), "model.embed_tokens.weight", "lm_head.weight");

        try (SourceModel model = SourceModel.open(folder)) {
            assertThat(model.skippedTensors())
                    .singleElement()
                    .satisfies(skipped -> assertThat(skipped.name()).isEqualTo("lm_head.weight"));
        }
    }

    private Path tied() throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("model"));
        replace(
                folder.resolve("config.json"),
                "\"tie_word_embeddings\": false",
                "\"tie_word_embeddings\": true");
        return folder;
    }

    /// Overwrites the values of one tensor by those of another of the same size.
    private static void copyTensor(Path file, String from, String to) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        int header = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        JsonNode tensors = new ObjectMapper().readTree(bytes, 8, header);
        JsonNode source = tensors.path(from).path("data_offsets");
        JsonNode target = tensors.path(to).path("data_offsets");
        int length = source.get(1).intValue() - source.get(0).intValue();
        assertThat(target.get(1).intValue() - target.get(0).intValue()).isEqualTo(length);
        int data = 8 + header;
        System.arraycopy(
                bytes,
                data + source.get(0).intValue(),
                bytes,
                data + target.get(0).intValue(),
                length);
        Files.write(file, bytes);
    }

    private static void replace(Path file, String from, String to) throws IOException {
        String text = Files.readString(file);
        assertThat(text).contains(from);
        Files.writeString(file, text.replace(from, to));
    }

    private static void assertRefused(Path folder, Reason reason, String... parts) {
        assertThatThrownBy(() -> SourceModel.open(folder).close())
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContainingAll(parts);
    }
}
