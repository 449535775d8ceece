package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Logits;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A whole model computes the same logits, to the bit, whatever the kernels and threads.
class NativeForwardPassTest {

    @ParameterizedTest
    @ValueSource(strings = {"int4", "int8"})
    void theBundledModelHasTheLogitsOfTheScalarKernels(String recipe, @TempDir Path folder)
            throws Exception {
        assumeTrue(
                NativeKernels.LIBRARY instanceof NativeLibrary.Loaded,
                () -> "skipped: " + NativeKernels.LIBRARY);
        Path bundled = Path.of(System.getProperty("tokenlog.root"), "demo-model", "model");
        int[] tokens = IntStream.range(0, 70).map(i -> i * 37 % 500).toArray();
        try (SourceModel source = SourceModel.open(bundled);
                Model model =
                        new Converter()
                                .convert(
                                        source,
                                        Recipe.parse(recipe),
                                        new ArtifactStore(folder),
                                        new ConversionListener() {})) {
            float[][] scalar = logits(model, "scalar", 1, tokens);

            assertThat(logits(model, "native", 2, tokens)).isDeepEqualTo(scalar);
        }
    }

    private static float[][] logits(Model model, String compute, int threads, int[] tokens) {
        CpuOptions options = CpuOptions.automatic().withCompute(compute).withThreads(threads);
        try (CpuExecutor executor = CpuExecutor.open(model, options)) {
            return Logits.of(executor, tokens);
        }
    }
}
