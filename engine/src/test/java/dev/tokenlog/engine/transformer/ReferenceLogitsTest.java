package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.RotaryCast;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.ReplannedModel;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.format.npy.NpyArray;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Float arithmetic against logits and greedy texts of an independent implementation (Hugging Face
/// transformers).
class ReferenceLogitsTest {

    private static final double TOLERANCE = 1e-3;

    /// These references cast the whole PyTorch module to BF16, and with it the inverse frequencies
    /// of the rotary positions, which transformers' own loading keeps in float32
    /// (`docs/decisions/0080-rotary-frequencies-are-not-rounded.md`).
    private static final Set<String> CAST = Set.of("llama-3.2", "gemma", "mistral", "qwen2");

    static Stream<Arguments> goldenModels() {
        return onBothKernels(TestFiles.goldenModels().stream());
    }

    private static Stream<Arguments> onBothKernels(Stream<String> names) {
        return names.flatMap(
                name -> Stream.of(arguments(name, "scalar"), arguments(name, "vector")));
    }

    @ParameterizedTest
    @MethodSource("goldenModels")
    void tinyModelsAtEveryPosition(String name, String compute) throws IOException {
        try (Model model = asReferenced(name);
                Executor executor = CpuExecutor.open(model, options(compute))) {
            assertThat(executor.numericsId()).isEqualTo("float-1/kv32");
            checkCases(executor, TestFiles.golden(name));
        }
    }

    static Stream<Arguments> castModels() {
        return onBothKernels(CAST.stream().sorted());
    }

    /// Opened as any user opens them, these models agree with transformers that does the same
    /// (`golden-from-pretrained/SOURCE.txt`).
    @ParameterizedTest
    @MethodSource("castModels")
    void withoutACastTheyAgreeWithFromPretrained(String name, String compute) throws IOException {
        try (Model model = SourceModel.open(TestFiles.golden(name));
                Executor executor = CpuExecutor.open(model, options(compute))) {
            checkCases(executor, TestFiles.resource("golden-from-pretrained/" + name));
        }
    }

    /// What the cast does to these references: without it, logits differ by some hundredths of
    /// their standard deviation, and the likeliest tokens are the same.
    @ParameterizedTest
    @CsvSource({
        "llama-3.2, 2.2e-2, 11",
        "mistral, 1.6e-2, 16",
        "gemma, 5.3e-2, 6",
        "qwen2, 2.1e-2, 4",
    })
    void referencesOfCastModulesAreOffByTheRoundingOfTheirFrequencies(
            String name, double expected, int sameTokens) throws IOException {
        try (Model model = SourceModel.open(TestFiles.golden(name));
                Executor executor = CpuExecutor.open(model, options("vector"))) {
            Path folder = TestFiles.golden(name);
            JsonNode reference = cases(folder).get(0);
            assertThat(worstError(executor, folder, reference))
                    .isBetween(0.9 * expected, 1.1 * expected);
            int[] ids = ints(reference.get("input_ids"));
            int[] greedy = ints(reference.get("greedy_ids"));
            int[] ours = Logits.greedy(executor, ids, greedy.length);
            assertThat(same(ours, greedy)).isEqualTo(sameTokens);
        }
    }

    /// Tokens until the first that differs.
    private static int same(int[] a, int[] b) {
        int mismatch = Arrays.mismatch(a, b);
        return mismatch < 0 ? a.length : mismatch;
    }

    private static Model asReferenced(String name) {
        SourceModel model = SourceModel.open(TestFiles.golden(name));
        return CAST.contains(name)
                ? new ReplannedModel(model, RotaryCast.toBfloat16(model.plan()))
                : model;
    }

    private static JsonNode cases(Path folder) throws IOException {
        return read(folder.resolve("reference.json")).get("cases");
    }

    private static void checkCases(Executor executor, Path folder) throws IOException {
        for (JsonNode reference : cases(folder)) {
            assertThat(worstError(executor, folder, reference))
                    .describedAs("largest error of a logit / standard deviation")
                    .isLessThan(TOLERANCE);
            int[] ids = ints(reference.get("input_ids"));
            int[] greedy = ints(reference.get("greedy_ids"));
            assertThat(Logits.greedy(executor, ids, greedy.length)).isEqualTo(greedy);
        }
    }

    /// Over all positions and the vocabulary, in standard deviations of the case's logits.
    private static double worstError(Executor executor, Path folder, JsonNode reference)
            throws IOException {
        int[] ids = ints(reference.get("input_ids"));
        Path file = folder.resolve(reference.get("logits").asText());
        float[] expected = NpyArray.read(file).values();
        int vocabulary = executor.plan().vocabularySize();
        assertThat(expected).hasSize(ids.length * vocabulary);
        float[][] logits = Logits.of(executor, ids);
        double worst = 0;
        for (int i = 0; i < expected.length; i++) {
            double error = Math.abs(logits[i / vocabulary][i % vocabulary] - expected[i]);
            // not Math.max, which would lose a NaN behind a comparison
            worst = error <= worst ? worst : error;
        }
        return worst / reference.get("std_of_logits").asDouble();
    }

    @ParameterizedTest
    @ValueSource(strings = {"scalar", "vector"})
    void bundledModel(String compute) throws IOException {
        JsonNode reference = read(TestFiles.root().resolve("demo-model/reference.json"));
        try (Model model = SourceModel.open(TestFiles.demoModel());
                Executor executor = CpuExecutor.open(model, options(compute))) {
            assertThat(reference.get("cases")).hasSize(12);
            for (JsonNode one : reference.get("cases")) {
                double tolerance = TOLERANCE * one.get("std_of_logits").asDouble();
                // The scalar kernels are slow: the beginning of each answer is enough for them.
                int longest = compute.equals("scalar") ? 8 : Integer.MAX_VALUE;
                check(executor, one, tolerance, longest);
            }
        }
    }

    /// The ten best logits after the prompt, and the greedy continuation.
    static void check(
            Executor executor, JsonNode reference, double tolerance, int longestContinuation) {
        int[] prompt = ints(reference.get("input_ids"));
        float[] last = Logits.of(executor, prompt)[prompt.length - 1];
        int[] top = ints(reference.get("top_ids"));
        for (int i = 0; i < top.length; i++) {
            assertThat(Math.abs(last[top[i]] - reference.get("top_logits").get(i).asDouble()))
                    .describedAs("logit of %d after %s", top[i], reference.get("rendered"))
                    .isLessThan(tolerance);
        }
        int[] greedy = ints(reference.get("greedy_ids"));
        int count = Math.min(greedy.length, longestContinuation);
        assertThat(Logits.greedy(executor, prompt, count))
                .describedAs("after %s", reference.get("rendered"))
                .isEqualTo(Arrays.copyOf(greedy, count));
    }

    private static CpuOptions options(String compute) {
        return CpuOptions.automatic().withCompute(compute).withThreads(2);
    }

    static JsonNode read(Path file) throws IOException {
        return new ObjectMapper().readTree(file.toFile());
    }

    static int[] ints(JsonNode array) {
        int[] result = new int[array.size()];
        for (int i = 0; i < result.length; i++) {
            result[i] = array.get(i).asInt();
        }
        return result;
    }
}
