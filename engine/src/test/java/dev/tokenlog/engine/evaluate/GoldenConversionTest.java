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
import dev.tokenlog.engine.transformer.Logits;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
            List<int[]> documents = documents(name);

            ComparisonReport report =
                    ModelComparison.compare(quantized, baseline, documents, (done, of) -> true);

            assertThat(report.finite()).isTrue();
            assertThat(report.meanDivergence()).isLessThanOrEqualTo(0.01);
            assertThat(agreement(quantized, baseline, documents)).isGreaterThanOrEqualTo(0.9);
        }
    }

    /// Share of all positions, the last one included, at which the likeliest token is the same.
    private static double agreement(
            CpuExecutor quantized, CpuExecutor baseline, List<int[]> documents) {
        int same = 0;
        int positions = 0;
        for (int[] ids : documents) {
            float[][] found = Logits.of(quantized, ids);
            float[][] wanted = Logits.of(baseline, ids);
            for (int i = 0; i < ids.length; i++) {
                same += likeliest(found[i]) == likeliest(wanted[i]) ? 1 : 0;
            }
            positions += ids.length;
        }
        return (double) same / positions;
    }

    private static int likeliest(float[] logits) {
        int best = 0;
        for (int id = 1; id < logits.length; id++) {
            best = logits[id] > logits[best] ? id : best;
        }
        return best;
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
