package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MixtureConversionTest {

    @TempDir Path temp;

    @ParameterizedTest
    @CsvSource({
        "mixtral, int4, 3, 4, 2, 48",
        "qwen3-moe, int8-row, 3, 6, 2, 32",
        "qwen3-moe-mixed, int8, 1, 8, 2, 32"
    })
    void expertsAreQuantizedAndRoutersAreNot(
            String name, String recipe, int layers, int experts, int chosen, int size) {
        ArtifactStore store = new ArtifactStore(temp.resolve("store"));
        try (SourceModel source = SourceModel.open(TestFiles.golden(name))) {
            Path folder;
            try (Artifact converted =
                    new Converter(2)
                            .convert(
                                    source,
                                    Recipe.parse(recipe),
                                    store,
                                    new ConversionListener() {})) {
                folder = converted.folder();
            }
            try (Artifact artifact = Artifact.open(folder, true)) {
                Manifest manifest = artifact.manifest();

                assertThat(manifest.architecture().experts())
                        .isEqualTo(new Manifest.Experts(layers, experts, chosen, size));
                assertThat(manifest.weights())
                        .filteredOn(w -> w.name().contains(".experts."))
                        .hasSize(layers * experts * 3)
                        .noneMatch(w -> w.quantization().equals("f32"))
                        .allMatch(w -> w.errors().cosine() > 0.99);
                assertThat(source.plannedTensors())
                        .filteredOn(t -> t.kind() == Kind.ROUTER)
                        .hasSize(layers)
                        .allSatisfy(router -> {
                            Matrix kept = artifact.matrix(router.name());
                            assertThat(kept).isInstanceOf(Matrix.Float.class);
                            assertThat(((Matrix.Float) kept).type()).isEqualTo(DataType.F32);
                            assertThat(Dequantizer.all(kept))
                                    .isEqualTo(Dequantizer.all(source.matrix(router.name())));
                        });
            }
        }
    }

    @Test
    void aDenseModelSaysNothingOfExperts() {
        ArtifactStore store = new ArtifactStore(temp.resolve("store"));
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.parse("int4"),
                                        store,
                                        new ConversionListener() {})) {
            assertThat(artifact.manifest().architecture().experts()).isNull();
            assertThat(artifact.folder().resolve("manifest.json"))
                    .content()
                    .doesNotContain("experts");
        }
    }

    @Test
    void aQuantizedRouterIsNotAccepted() {
        PlannedTensor router = new PlannedTensor("gate.weight", Kind.ROUTER, 0, 8, 64);

        assertThat(StoredTensor.parse(router, "int8-g32")).isEmpty();
        assertThat(StoredTensor.parse(router, "f32")).isPresent();
    }
}
