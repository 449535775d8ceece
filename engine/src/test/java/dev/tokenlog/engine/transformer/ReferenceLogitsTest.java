package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.tensor.Matrix;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Float arithmetic against logits and greedy texts of an independent implementation (Hugging Face
/// transformers).
class ReferenceLogitsTest {

    private static final double TOLERANCE = 1e-3;

    @ParameterizedTest
    @CsvSource({"llama, scalar", "llama-3.2, scalar", "llama-new-dialect, scalar"})
    void tinyModelsAtEveryPosition(String name, String compute) throws IOException {
        Path folder = TestFiles.golden(name);
        try (Model model = asReferenced(name, SourceModel.open(folder));
                Executor executor = CpuExecutor.open(model, options(compute))) {
            assertThat(executor.numericsId()).isEqualTo("float-1/kv32");
            for (JsonNode reference : read(folder.resolve("reference.json")).get("cases")) {
                int[] ids = ints(reference.get("input_ids"));
                NpyArray expected = NpyArray.read(folder.resolve(reference.get("logits").asText()));
                double tolerance = TOLERANCE * reference.get("std_of_logits").asDouble();

                float[][] logits = Logits.of(executor, ids);

                int vocabulary = executor.plan().vocabularySize();
                assertThat(expected.values()).hasSize(ids.length * vocabulary);
                for (int position = 0; position < ids.length; position++) {
                    for (int id = 0; id < vocabulary; id++) {
                        float wanted = expected.values()[position * vocabulary + id];
                        assertThat(Math.abs(logits[position][id] - wanted))
                                .describedAs("position %d id %d", position, id)
                                .isLessThan((float) tolerance);
                    }
                }
                int[] greedy = ints(reference.get("greedy_ids"));
                assertThat(Logits.greedy(executor, ids, greedy.length)).isEqualTo(greedy);
            }
        }
    }

    /// The reference of `llama-3.2` cast its whole module to BF16, and with it the inverse
    /// frequencies of the rotary positions, which its library computes and keeps in float32
    /// otherwise (the other two, of float32 models, agree without this).
    private static Model asReferenced(String name, Model model) {
        return name.equals("llama-3.2") ? new RoundedFrequencies(model) : model;
    }

    private record RoundedFrequencies(Model model) implements Model {

        @Override
        public ModelPlan plan() {
            ModelPlan plan = model.plan();
            ModelPlan.Rotary rotary = plan.rotary();
            return new ModelPlan(
                    plan.family(),
                    plan.vocabularySize(),
                    plan.hiddenSize(),
                    plan.contextLength(),
                    plan.embeddingScale(),
                    plan.layers(),
                    new ModelPlan.Rotary(
                            rotary.dimensions(),
                            rotary.inverseFrequencies().stream()
                                    .map(RoundedFrequencies::toBfloat16)
                                    .toList(),
                            rotary.attentionFactor()),
                    plan.finalNormEpsilon(),
                    plan.tiedEmbeddings(),
                    plan.embeddingTensor(),
                    plan.finalNormTensor(),
                    plan.headTensor());
        }

        private static double toBfloat16(double value) {
            int bits = Float.floatToIntBits((float) value);
            return Float.intBitsToFloat(bits + 0x7fff + (bits >>> 16 & 1) & 0xffff0000);
        }

        @Override
        public Path folder() {
            return model.folder();
        }

        @Override
        public Optional<String> digest() {
            return model.digest();
        }

        @Override
        public Matrix matrix(String tensor) {
            return model.matrix(tensor);
        }

        @Override
        public float[] vector(String tensor) {
            return model.vector(tensor);
        }

        @Override
        public Optional<Path> file(String name) {
            return model.file(name);
        }

        @Override
        public void close() {
            model.close();
        }
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
                .isEqualTo(java.util.Arrays.copyOf(greedy, count));
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
