package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.tensor.NumberCode;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class WeightSizesTest {

    @TempDir Path folder;

    @ParameterizedTest
    @EnumSource(names = {"INT8", "INT4", "INT2", "INT1"})
    void whatIsSaidBeforeIsWhatComesOut(NumberCode code) {
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.of(code),
                                        new ArtifactStore(folder),
                                        new ConversionListener() {})) {
            Manifest.Statistics statistics = artifact.manifest().statistics();
            assertThat(WeightSizes.bytes(source.plan(), code.bits())).isEqualTo(statistics.bytes());
            assertThat(WeightSizes.parameters(source.plan())).isEqualTo(statistics.parameters());
        }
    }

    /// With a mixture of experts, biases and fused projections among them.
    @ParameterizedTest
    @ValueSource(strings = {"qwen3-moe", "qwen2", "phi3-longrope", "gemma2"})
    void everyFamilyIsCountedAsTheRecipeStoresIt(String golden) {
        ModelPlan plan = ModelPlans.read(TestFiles.golden(golden).resolve("config.json"));
        for (NumberCode code :
                List.of(NumberCode.INT8, NumberCode.INT4, NumberCode.INT2, NumberCode.INT1)) {
            long stored =
                    PlannedTensor.of(plan).stream()
                            .mapToLong(tensor -> StoredTensor.by(Recipe.of(code), tensor).bytes())
                            .sum();
            assertThat(WeightSizes.bytes(plan, code.bits())).isEqualTo(stored);
        }
    }

    @Test
    void fewerBitsAreFewerBytesAndTheEmbeddingStaysAtEight() {
        try (SourceModel source = SourceModel.open(TestFiles.demoModel())) {
            ModelPlan plan = source.plan();
            long layers =
                    source.plannedTensors().stream()
                            .filter(t -> t.kind().isMatrix() && t.layer() >= 0)
                            .mapToLong(t -> t.elements())
                            .sum();
            assertThat(WeightSizes.bytes(plan, 4) - WeightSizes.bytes(plan, 2))
                    .isEqualTo(layers / 4);
            assertThat(WeightSizes.bytes(plan, 2) - WeightSizes.bytes(plan, 1))
                    .isEqualTo(layers / 8);
            assertThatThrownBy(() -> WeightSizes.bytes(plan, 3))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
