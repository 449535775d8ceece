package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.format.safetensors.TensorInfo;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArtifactTest {

    @TempDir static Path shared;
    @TempDir Path temp;

    static Path whole;
    static List<TensorInfo> tensors;

    @BeforeAll
    static void convert() {
        Path source = TestFiles.copy(TestFiles.golden("llama"), shared.resolve("source"));
        try {
            Files.writeString(source.resolve("tokenizer.json"), "{}");
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        try (SourceModel model = SourceModel.open(source);
                Artifact artifact =
                        new Converter(1)
                                .convert(
                                        model,
                                        Recipe.of(NumberCode.INT4),
                                        new ArtifactStore(shared.resolve("store")),
                                        new ConversionListener() {});
                Arena arena = Arena.ofConfined()) {
            whole = artifact.folder();
            tensors =
                    SafetensorsFile.open(whole.resolve("weights-00001.safetensors"), arena)
                            .header()
                            .tensors();
        }
    }

    private Path copy() {
        return TestFiles.copy(whole, temp.resolve("artifact"));
    }

    @Test
    void a_whole_artifact_opens() {
        try (Artifact artifact = Artifact.open(copy(), true)) {
            assertThat(artifact.digest()).hasValue(whole.getFileName().toString());
            assertThat(artifact.manifestSha256()).hasSize(64);
        }
    }

    @Test
    void any_flipped_bit_of_the_weights_is_named_by_its_tensor() throws IOException {
        Path folder = copy();
        Path file = folder.resolve("weights-00001.safetensors");
        byte[] good = Files.readAllBytes(file);
        long begin = good.length - tensors.getLast().end();
        Random random = new Random(11);
        for (int round = 0; round < 40; round++) {
            TensorInfo tensor = tensors.get(random.nextInt(tensors.size()));
            byte[] bad = good.clone();
            bad[(int) (begin + tensor.begin() + random.nextLong(tensor.bytes()))] ^=
                    (byte) (1 << random.nextInt(8));
            Files.write(file, bad);

            assertUnreadable(
                    folder, "tensor '" + tensor.name().replace(".scales", "") + "'", "SHA-256");
        }
    }

    @Test
    void a_changed_small_file_is_named() throws IOException {
        Path folder = copy();
        Files.writeString(folder.resolve("tokenizer.json"), "{ }");

        assertUnreadable(folder, "tokenizer.json", "SHA-256");
    }

    @Test
    void a_missing_small_file_is_named() throws IOException {
        Path folder = copy();
        Files.delete(folder.resolve("tokenizer.json"));

        assertUnreadable(folder, "tokenizer.json", "not found");
    }

    @Test
    void a_file_that_could_change_a_token_does_not_slip_in() throws IOException {
        Path folder = copy();
        Files.writeString(folder.resolve("chat_template.jinja"), "evil");

        assertUnreadable(folder, "chat_template.jinja", "does not list");
    }

    @Test
    void a_missing_weight_file_is_named() throws IOException {
        Path folder = copy();
        Files.delete(folder.resolve("weights-00001.safetensors"));

        assertUnreadable(folder, "weights-00001.safetensors");
    }

    @Test
    void an_artifact_under_the_name_of_another_is_refused() {
        Path folder = TestFiles.copy(whole, temp.resolve("sha256-" + "0".repeat(64)));

        assertUnreadable(folder, "model_digest");
    }

    @Test
    void whatever_happens_to_the_manifest_the_weights_are_right_or_refused() throws IOException {
        Path folder = copy();
        Path file = folder.resolve("manifest.json");
        byte[] good = Files.readAllBytes(file);
        Random random = new Random(5);
        int refused = 0;
        for (int round = 0; round < 300; round++) {
            byte[] bad = good.clone();
            bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
            Files.write(file, bad);
            try (Artifact artifact = Artifact.open(folder, true)) {
                assertThat(artifact.digest()).hasValue(whole.getFileName().toString());
                assertThat(artifact.manifestSha256()).isNotEqualTo(Digests.of(good));
            } catch (EngineException e) {
                assertThat(e.reason()).isEqualTo(Reason.MODEL_UNREADABLE);
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(100);
    }

    @Test
    void a_manifest_that_leads_out_of_the_folder_is_refused() throws IOException {
        Path folder = copy();
        Path file = folder.resolve("manifest.json");
        Files.copy(
                folder.resolve("weights-00001.safetensors"),
                temp.resolve("weights-00001.safetensors"));
        Files.writeString(
                file,
                Files.readString(file)
                        .replace(
                                "\"file\" : \"weights-00001.safetensors\"",
                                "\"file\" : \"../weights-00001.safetensors\""));

        assertUnreadable(folder, "../weights-00001.safetensors");
    }

    @Test
    void a_missing_artifact_is_refused() {
        assertUnreadable(temp.resolve("nowhere"), "nowhere");
        ArtifactStore store = new ArtifactStore(temp);
        assertThat(store.find("../../etc")).isEmpty();
        assertThat(store.list()).isEmpty();
    }

    private static void assertUnreadable(Path folder, String... parts) {
        assertThatThrownBy(() -> Artifact.open(folder, true).close())
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.MODEL_UNREADABLE))
                .hasMessageContainingAll(parts);
    }
}
