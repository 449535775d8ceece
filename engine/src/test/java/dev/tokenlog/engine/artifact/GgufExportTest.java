package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.gguf.GgufType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// From an artifact to a GGUF file, and back by the reader that reads everybody's. The export
/// itself compares every value, the layer plan and ids of texts, so what is tested here is that it
/// succeeds where it must, and that the same codes come back.
class GgufExportTest {

    @TempDir Path temp;

    private Artifact convert(Path folder, String recipe) {
        try (SourceModel source = SourceModel.open(folder)) {
            return convert(source, recipe);
        }
    }

    private Artifact convert(SourceModel source, String recipe) {
        return new Converter(2)
                .convert(
                        source,
                        Recipe.parse(recipe),
                        new ArtifactStore(temp.resolve("store")),
                        new ConversionListener() {});
    }

    private GgufExport.Written export(Artifact artifact) {
        return GgufExport.write(artifact, temp.resolve("out.gguf"), Optional.empty());
    }

    @ParameterizedTest
    @CsvSource({
        "llama, int4",
        "llama, int8",
        "llama-3.2, int4",
        "llama-biases, int8",
        "llama-linear, int8",
        "llama-yarn, int4",
        "mixtral, int8",
        "gemma, int8",
        "gemma2.f32.gguf, int4",
        "gemma3-text.bf16.gguf, int8",
        "qwen2, int4",
        "qwen3, int4",
        "qwen3-moe, int8",
        "granite, int8",
        "olmo2, int4",
        "smollm3.bf16.gguf, int8",
        "phi3-longrope, int8",
        "phi3-partial-rotary, int4"
    })
    void every_family_comes_back_with_the_same_codes(String golden, String recipe) {
        Path folder =
                golden.endsWith(".gguf")
                        ? TestFiles.resource("gguf/" + golden)
                        : TestFiles.golden(golden);
        try (Artifact artifact = convert(folder, recipe)) {
            GgufExport.Written written;
            try {
                written = export(artifact);
            } catch (EngineException e) {
                assertThat(e).hasMessageContaining("--other-codes"); // rows of no whole blocks
                written =
                        GgufExport.write(
                                artifact, temp.resolve("out.gguf"), Optional.of(GgufType.F32));
                assertThat(written.converted()).isNotEmpty();
                return;
            }
            assertThat(written.exact()).isTrue();
            try (SourceModel back = SourceModel.open(written.file());
                    Artifact again = convert(back, recipe)) {
                for (Manifest.Weight weight : artifact.manifest().weights()) {
                    Manifest.Weight same =
                            again.manifest().weights().stream()
                                    .filter(each -> each.name().equals(weight.name()))
                                    .findFirst()
                                    .orElseThrow();
                    boolean offset = artifact.plan().unitOffsetNorms() && weight.bitWidth() == 32;
                    if (!offset) {
                        assertThat(same.sha256()).as(weight.name()).isEqualTo(weight.sha256());
                    }
                }
            }
        }
    }

    /// llama.cpp derives these from the number of layers, or has no key for them.
    @ParameterizedTest
    @CsvSource({
        "gemma2, attention/scale",
        "gemma3-text, attention/scale",
        "smollm3, attention/rotary",
        "llama-dynamic, rope_type",
        "qwen3-moe-mixed, model.layers.0.mlp.gate_proj.weight"
    })
    void what_gguf_has_no_key_for_is_refused_by_its_place(String golden, String place) {
        try (Artifact artifact = convert(TestFiles.golden(golden), "int8")) {
            assertThatThrownBy(() ->
                            GgufExport.write(
                                    artifact, temp.resolve("out.gguf"), Optional.of(GgufType.F32)))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining("config.json")
                    .hasMessageContaining(place);
            assertThat(temp.resolve("out.gguf")).doesNotExist();
        }
    }

    @Test
    void weights_and_plan_of_the_bundled_model_have_the_same_digests_again() {
        try (Artifact artifact = convert(TestFiles.demoModel(), "int4");
                SourceModel back = SourceModel.open(export(artifact).file());
                Artifact again = convert(back, "int4")) {
            assertThat(again.manifest().weightsDigest())
                    .isEqualTo(artifact.manifest().weightsDigest());
            assertThat(again.manifest().planSha256()).isEqualTo(artifact.manifest().planSha256());
        }
    }

    /// A longer group's scale stands in each of its blocks: other codes of groups, the same values.
    @ParameterizedTest
    @CsvSource({"int4-g64", "int8-g128", "int4-row"})
    void longer_groups_have_the_same_values(String recipe) {
        try (Artifact artifact = convert(TestFiles.demoModel(), recipe)) {
            assertThat(export(artifact).exact()).isTrue();
        }
    }

    @Test
    void what_blocks_cannot_hold_is_refused_by_name_or_converted_when_asked() {
        Path source = TestFiles.golden("llama-odd-sizes");
        try (Artifact artifact = convert(source, "int4")) {
            Path file = temp.resolve("out.gguf");
            assertThatThrownBy(() -> GgufExport.write(artifact, file, Optional.empty()))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e ->
                                    assertThat(e.reason())
                                            .isEqualTo(EngineException.Reason.UNSUPPORTED))
                    .hasMessageContaining("columns");
            assertThat(file).doesNotExist();
            assertThat(temp.resolve("out.gguf.part")).doesNotExist();
            for (GgufType type : List.of(GgufType.F32, GgufType.F16)) {
                GgufExport.Written written = GgufExport.write(artifact, file, Optional.of(type));
                assertThat(written.exact()).isFalse();
                assertThat(written.converted()).isNotEmpty();
                assertThat(Files.exists(file)).isTrue();
            }
        }
    }
}
