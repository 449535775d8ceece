package dev.tokenlog.engine.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.Calibration.Method;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.Rotation;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.evaluate.ModelComparison;
import dev.tokenlog.engine.quantize.Bands;
import dev.tokenlog.engine.quantize.Hessian;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ActivationScalesTest {

    private static final CalibrationFile TEXT = CalibrationFile.bundled();

    @TempDir private Path temp;

    private static Recipe recipe(String code, Method method, int tokens) {
        return Recipe.parse(code).calibrated(new Calibration(method, tokens, TEXT.sha256()));
    }

    /// Biases, fused matrices, norms with an offset, norms behind attention.
    @ParameterizedTest
    @ValueSource(strings = {"llama-biases", "phi3-partial-rotary", "gemma2", "qwen2", "granite"})
    void a_scaled_model_computes_the_same(String name) {
        try (SourceModel source = SourceModel.open(TestFiles.golden(name));
                SourceModel scaled = scaled(source)) {
            int vocabulary = source.plan().vocabularySize();
            int[] ids = ids(vocabulary);
            assertThat(divergence(source, scaled, List.of(ids))).isLessThan(1e-8);
            assertThat(scaled.plan()).isEqualTo(source.plan());
            String matrix = source.plan().layers().getFirst().attention().queryTensor();
            float[] before = new float[source.plan().hiddenSize()];
            float[] after = before.clone();
            source.tensor(matrix).row(0, before);
            scaled.tensor(matrix).row(0, after);
            assertThat(after).isNotEqualTo(before);
        }
    }

    private static int[] ids(int vocabulary) {
        return IntStream.range(0, 48).map(i -> (i * i + 7 * i + 3) % vocabulary).toArray();
    }

    private static SourceModel scaled(SourceModel source) {
        int[] ids = ids(source.plan().vocabularySize());
        CalibrationText text = new CalibrationText(List.of(ids), ids.length);
        Recipe recipe = recipe("uint2", Method.AWQ, ids.length);
        return ActivationScales.folded(source, text, recipe, 2, () -> false);
    }

    @ParameterizedTest
    @CsvSource({"mixtral, a mixture of experts", "olmo2, no norm of its input"})
    void what_cannot_be_folded_is_refused_by_name(String name, String why) {
        try (SourceModel source = SourceModel.open(TestFiles.golden(name))) {
            assertThatExceptionOfType(EngineException.class)
                    .isThrownBy(() -> scaled(source))
                    .withMessageContaining(source.plan().family())
                    .withMessageContaining(why);
        }
    }

    @Test
    void threads_change_no_byte_and_all_parts_of_a_recipe_go_together() {
        Recipe recipe =
                recipe("int4", Method.AWQ_GPTQ, 64)
                        .rotated(new Rotation(Rotation.Kind.HADAMARD_HEADS, 0));
        String[] digests = new String[2];
        for (int threads = 1; threads <= 2; threads++) {
            try (Artifact artifact = convert(recipe, threads, "store" + threads)) {
                digests[threads - 1] = artifact.manifest().modelDigest();
                assertThat(artifact.manifest().recipe().canonical())
                        .isEqualTo(
                                "int4-g32-lsq,rotation=hadamard-heads:0,calibration=awq-gptq:64:"
                                        + TEXT.sha256());
                assertThat(Recipe.parse(artifact.manifest().recipe().canonical()))
                        .isEqualTo(recipe);
            }
        }
        assertThat(digests[1]).isEqualTo(digests[0]);
    }

    /// One input of 64 is a hundred times as large as the others.
    @Test
    void the_column_that_matters_is_rounded_most_finely() {
        float[] x = new float[64];
        double[] magnitudes = new double[64];
        Hessian products = new Hessian(64);
        for (int token = 0; token < 64; token++) {
            for (int i = 0; i < 64; i++) {
                x[i] = (i == 17 ? 100 : 1) * ((token >> i % 6 & 1) * 2 - 1) * (1 + i % 5);
                magnitudes[i] += Math.abs(x[i]);
            }
            products.add(x, 1, Bands.alone());
        }
        products.complete(0);
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                PoolBands bands = new PoolBands(2, () -> false)) {
            String query = source.plan().layers().getFirst().attention().queryTensor();
            double[] factors =
                    new ScaleSearch(Recipe.parse("int4"), bands)
                            .find(source, List.of(query), products, magnitudes);
            assertThat(factors[17]).isGreaterThan(1.5);
            double logarithms = 0;
            for (int i = 0; i < 64; i++) {
                assertThat(factors[i]).isLessThanOrEqualTo(factors[17]);
                logarithms += Math.log(factors[i]);
            }
            assertThat(logarithms).isCloseTo(0, within(1e-9));
        }
    }

    private Artifact convert(Recipe recipe, int threads, String store) {
        try (SourceModel source = SourceModel.open(TestFiles.demoModel())) {
            return new Converter(threads)
                    .with(TextCalibrator.reading(TEXT))
                    .convert(
                            source,
                            recipe,
                            new ArtifactStore(temp.resolve(store)),
                            new ConversionListener() {});
        }
    }

    private static double divergence(Model baseline, Model other, List<int[]> documents) {
        try (CpuExecutor one = CpuExecutor.open(baseline, CpuOptions.automatic());
                CpuExecutor two = CpuExecutor.open(other, CpuOptions.automatic())) {
            return ModelComparison.compare(two, one, documents, (done, of) -> true)
                    .meanDivergence();
        }
    }
}
