package dev.tokenlog.engine.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What 8 bits cost the tiny models of all families, over every position of their cases: the float
/// models are those that agree with an independent implementation.
class GoldenConversionTest {

    @TempDir Path temp;

    static List<String> goldenModels() {
        return TestFiles.goldenModels();
    }

    @ParameterizedTest
    @MethodSource("goldenModels")
    void eightBitsLoseLittle(String name) throws IOException {
        ComparisonReport report = compare(name);

        assertThat(report.finite()).isTrue();
        assertThat(report.meanDivergence()).isLessThanOrEqualTo(0.01);
    }

    /// Over all positions of all models together. Their weights are random and their vocabulary is
    /// of near ties: of one model alone, two or three flips more or less decide.
    @Test
    void theLikeliestTokenMostlyStays() throws IOException {
        double same = 0;
        long positions = 0;
        for (String name : goldenModels()) {
            ComparisonReport report = compare(name);
            same += report.top1Agreement() * report.positions();
            positions += report.positions();
        }
        assertThat(same / positions).isGreaterThanOrEqualTo(0.9);
    }

    private ComparisonReport compare(String name) throws IOException {
        try (SourceModel source = SourceModel.open(TestFiles.golden(name));
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT8),
                                        new ArtifactStore(temp.resolve(name)),
                                        new ConversionListener() {});
                CpuExecutor quantized = open(artifact);
                CpuExecutor baseline = open(source)) {
            assertThat(artifact.manifest().weights()).hasSameSizeAs(source.plannedTensors());
            return ModelComparison.compare(
                    quantized, baseline, documents(name), (done, of) -> true);
        }
    }

    private static CpuExecutor open(Model model) {
        return CpuExecutor.open(model, CpuOptions.automatic().withThreads(1));
    }

    private static List<int[]> documents(String name) throws IOException {
        List<int[]> documents = new ArrayList<>();
        JsonNode reference = TestMaterial.json(TestFiles.golden(name).resolve("reference.json"));
        for (JsonNode one : reference.get("cases")) {
            int[] ids = new int[one.get("input_ids").size()];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = one.get("input_ids").get(i).intValue();
            }
            documents.add(ids);
        }
        return documents;
    }
}
