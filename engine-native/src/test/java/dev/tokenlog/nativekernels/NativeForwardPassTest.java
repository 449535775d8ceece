package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Logits;
import dev.tokenlog.engine.transformer.StepAllocations;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A whole model computes the same logits, to the bit, whatever the kernels and threads.
class NativeForwardPassTest {

    private static final Path MAPPINGS = Path.of("/proc/self/smaps");

    @ParameterizedTest
    @ValueSource(strings = {"int4", "int8"})
    void theBundledModelHasTheLogitsOfTheScalarKernels(String recipe, @TempDir Path folder)
            throws Exception {
        assumeNative();
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

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void stepsAllocateNothing(int threads, @TempDir Path folder) throws Exception {
        assumeNative();
        try (Artifact artifact = converted(folder)) {
            CpuOptions options = CpuOptions.automatic().withCompute("native").withThreads(threads);
            assertThat(StepAllocations.fewest(() -> CpuExecutor.open(artifact, options), threads))
                    .isZero();
        }
    }

    /// Packed weights are all that products read: what was mapped of the file has left memory.
    @ParameterizedTest
    @ValueSource(strings = {"native", "vector"})
    void aLoadedModelIsNotInMemoryTwice(String compute, @TempDir Path folder) throws Exception {
        assumeTrue(
                compute.equals("vector") || LoadedLibrary.RESULT instanceof NativeLibrary.Loaded,
                () -> "skipped: " + LoadedLibrary.RESULT);
        assumeTrue(Files.isReadable(MAPPINGS), "skipped: this system does not list mappings");
        try (Artifact artifact = converted(folder);
                CpuExecutor executor =
                        CpuExecutor.open(artifact, CpuOptions.automatic().withCompute(compute))) {
            long file = Files.size(weights(artifact));
            assertThat(resident(weights(artifact))).isLessThan(file / 2);
            assertThat(Logits.of(executor, new int[] {1, 2, 3})).hasDimensions(3, 4096);
        }
    }

    /// Bytes of a mapped file that this process holds, by proc_pid_smaps(5).
    private static long resident(Path file) throws IOException {
        Matcher matcher =
                Pattern.compile(
                                "(?m)^[^\n]*"
                                        + Pattern.quote(file.toRealPath().toString())
                                        + "$(?s:.)*?^Rss: +([0-9]+) kB$")
                        .matcher(Files.readString(MAPPINGS));
        assertThat(matcher.find()).describedAs("a mapping of " + file).isTrue();
        return Long.parseLong(matcher.group(1)) << 10;
    }

    /// A signal in C code would end the process, this test included.
    @Test
    void aFileThatBecomesShorterWhileItIsPackedIsNamed(@TempDir Path folder) throws Exception {
        assumeNative();
        try (Artifact artifact = converted(folder)) {
            try (FileChannel file = FileChannel.open(weights(artifact), StandardOpenOption.WRITE)) {
                file.truncate(file.size() / 3);
            }
            CpuOptions options = CpuOptions.automatic().withCompute("native");

            assertThatThrownBy(() -> CpuExecutor.open(artifact, options))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e -> assertThat(e.reason()).isEqualTo(Reason.MODEL_UNREADABLE))
                    .hasMessageContaining(artifact.folder().toString())
                    .hasMessageContaining("became shorter while the model was loaded");
        }
    }

    private static void assumeNative() {
        assumeTrue(
                LoadedLibrary.RESULT instanceof NativeLibrary.Loaded,
                () -> "skipped: " + LoadedLibrary.RESULT);
    }

    private static Artifact converted(Path folder) {
        Path bundled = Path.of(System.getProperty("tokenlog.root"), "demo-model", "model");
        try (SourceModel source = SourceModel.open(bundled)) {
            return new Converter()
                    .convert(
                            source,
                            Recipe.parse("int8"),
                            new ArtifactStore(folder),
                            new ConversionListener() {});
        }
    }

    private static Path weights(Artifact artifact) {
        return artifact.folder().resolve("weights-00001.safetensors");
    }

    private static float[][] logits(Model model, String compute, int threads, int[] tokens) {
        CpuOptions options = CpuOptions.automatic().withCompute(compute).withThreads(threads);
        try (CpuExecutor executor = CpuExecutor.open(model, options)) {
            return Logits.of(executor, tokens);
        }
    }
}
