package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The files beside the weights that can change a token, in an artifact.
class SmallFilesTest {

    private static final String TEMPLATE = "additional_chat_templates/tool_use.jinja";

    @TempDir private Path temp;

    private Path source(String tokenizer) throws IOException {
        Path folder = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("source"));
        Files.copy(
                TestFiles.resource("tokenizers/" + tokenizer + "/tokenizer.model"),
                folder.resolve("tokenizer.model"));
        return folder;
    }

    private Artifact convert(Path folder, String store) {
        try (SourceModel source = SourceModel.open(folder)) {
            return new Converter(1)
                    .convert(
                            source,
                            Recipe.of(NumberCode.INT8),
                            new ArtifactStore(temp.resolve(store)),
                            new ConversionListener() {});
        }
    }

    private static List<String> names(List<Manifest.FileEntry> files) {
        return files.stream().map(Manifest.FileEntry::path).toList();
    }

    private static void refused(Path artifact, String... words) {
        assertThatThrownBy(() -> Artifact.open(artifact, false))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.MODEL_UNREADABLE))
                .hasMessageContainingAll(words);
    }

    /// A later translation may give other ids; this digest then still stands for these.
    @Test
    void a_translated_tokenizer_is_a_file_of_the_artifact() throws IOException {
        Path folder = source("bpe-llama");
        String translated = TokenizerSource.read(folder).json();
        try (Artifact artifact = convert(folder, "store");
                ModelTokenizer ours = ModelTokenizer.open(artifact.folder());
                ModelTokenizer theirs = ModelTokenizer.open(folder)) {
            assertThat(names(artifact.manifest().files()))
                    .containsExactly("config.json", "tokenizer.json", "tokenizer.model");
            assertThat(names(artifact.manifest().source().files()))
                    .contains("tokenizer.model")
                    .doesNotContain("tokenizer.json");
            assertThat(artifact.folder().resolve("tokenizer.json")).hasContent(translated);
            assertThat(ours.encode("the quick brown fox", true))
                    .isEqualTo(theirs.encode("the quick brown fox", true));
            Files.writeString(
                    artifact.folder().resolve("tokenizer.json"), translated.replace("1", "2"));
            refused(artifact.folder(), "tokenizer.json", "SHA-256");
        }
    }

    @Test
    void a_tokenizer_json_of_the_source_stays_what_it_is() throws IOException {
        Path folder = source("bpe-llama");
        Files.copy(
                TestFiles.demoModel().resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
        try (Artifact artifact = convert(folder, "store")) {
            assertThat(artifact.folder().resolve("tokenizer.json"))
                    .hasSameBinaryContentAs(folder.resolve("tokenizer.json"));
            assertThat(names(artifact.manifest().source().files())).contains("tokenizer.json");
        }
    }

    @Test
    void what_cannot_be_translated_goes_into_the_artifact_as_it_is() throws IOException {
        Path folder = source("bpe-llama");
        Files.write(folder.resolve("tokenizer.model"), new byte[] {1, 2, 3});
        try (Artifact artifact = convert(folder, "store")) {
            assertThat(names(artifact.manifest().files()))
                    .containsExactly("config.json", "tokenizer.model");
            assertThatThrownBy(() -> ModelTokenizer.open(artifact.folder()))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining("tokenizer.model");
        }
    }

    @Test
    void templates_for_other_purposes_belong_to_the_digest() throws IOException {
        Path folder = source("bpe-llama");
        String before;
        try (Artifact artifact = convert(folder, "store")) {
            before = artifact.digest().orElseThrow();
        }
        Files.createDirectory(folder.resolve("additional_chat_templates"));
        Files.writeString(folder.resolve(TEMPLATE), "{{ tools[0].name }}");

        try (Artifact artifact = convert(folder, "store")) {
            assertThat(artifact.digest().orElseThrow()).isNotEqualTo(before);
            assertThat(names(artifact.manifest().files())).contains(TEMPLATE);
            assertThat(names(artifact.manifest().source().files())).contains(TEMPLATE);
            Path copy = artifact.folder().resolve(TEMPLATE);
            assertThat(copy).hasContent("{{ tools[0].name }}");

            Path other = copy.resolveSibling("rag.jinja");
            Files.writeString(other, "x");
            refused(artifact.folder(), "rag.jinja", "the manifest does not list this file");
            Files.delete(other);
            Files.writeString(copy, "{{ tools[1].name }}");
            refused(artifact.folder(), TEMPLATE, "SHA-256");
        }
    }

    @Test
    void a_manifest_lists_nothing_else() {
        for (String bad :
                List.of(
                        "additional_chat_templates/../../etc/x.jinja",
                        "additional_chat_templates/a\\b.jinja",
                        "additional_chat_templates/.jinja",
                        "additional_chat_templates/tool_use.py",
                        "other/tool_use.jinja",
                        "/tokenizer.json",
                        "../tokenizer.json")) {
            assertThat(ModelFiles.isKnown(bad)).as(bad).isFalse();
        }
        assertThat(ModelFiles.isKnown(TEMPLATE)).isTrue();
        assertThat(ModelFiles.isKnown("tokenizer.json")).isTrue();
    }
}
