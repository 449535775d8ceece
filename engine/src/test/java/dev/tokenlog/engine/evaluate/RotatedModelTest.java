package dev.tokenlog.engine.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.RotatedModel;
import dev.tokenlog.engine.artifact.Rotation;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Executor;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RotatedModelTest {

    private static final Rotation WHOLE = new Rotation(Rotation.Kind.HADAMARD, 1);

    @TempDir private Path temp;

    /// Every family whose norms can be moved, biases, fused matrices, mixtures, tied heads, sizes
    /// that are no power of two; and all others with the values alone.
    @ParameterizedTest
    @CsvSource({
        "llama, hadamard:1",
        "llama-biases, hadamard:1",
        "llama-3.2, hadamard:1",
        "mistral-nemo, hadamard:1",
        "mixtral, hadamard:1",
        "gemma, hadamard:1",
        "qwen2.5-tied, hadamard:2",
        "qwen3-moe-mixed, hadamard:3",
        "phi3-partial-rotary, hadamard:1",
        "granite, hadamard:1",
        "smollm3, hadamard:1",
        "gemma2, hadamard-heads:1",
        "gemma3-text, hadamard-heads:1",
        "olmo2, hadamard-heads:1",
        "llama-biases, hadamard-heads:1",
    })
    void a_rotated_model_computes_the_same(String name, String rotation) {
        try (SourceModel source = SourceModel.open(TestFiles.golden(name));
                SourceModel rotated = RotatedModel.of(source, Rotation.parse(rotation))) {
            assertThat(differsBy(source, rotated)).isBetween(1e-9, 1e-4);
        }
    }

    @Test
    void the_bundled_model_computes_the_same() {
        try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                SourceModel rotated = RotatedModel.of(source, WHOLE)) {
            assertThat(differsBy(source, rotated)).isBetween(1e-9, 1e-4);
        }
    }

    /// Codes, norms, biases and routers of the artifact belong together.
    @ParameterizedTest
    @ValueSource(strings = {"llama-biases", "mixtral", "phi3-partial-rotary", "qwen2.5-tied"})
    void what_is_converted_is_the_rotated_model(String name) {
        Recipe plain = Recipe.of(Recipe.codeOf("int8"));
        try (SourceModel source = SourceModel.open(TestFiles.golden(name));
                Artifact rotated = convert(source, plain.rotated(WHOLE));
                Artifact usual = convert(source, plain)) {
            double loss = differsBy(source, usual);
            assertThat(differsBy(source, rotated)).isBetween(0.1 * loss, 3 * loss);
        }
    }

    private Artifact convert(SourceModel source, Recipe recipe) {
        return new Converter(2)
                .convert(
                        source,
                        recipe,
                        new ArtifactStore(temp.resolve("golden")),
                        new ConversionListener() {});
    }

    /// The largest difference of a logit, in standard deviations of all.
    private static double differsBy(Model one, Model other) {
        int vocabulary = one.plan().vocabularySize();
        int[] ids = IntStream.range(0, 48).map(i -> (i * i + 7 * i + 3) % vocabulary).toArray();
        float[] wanted = logits(one, ids);
        float[] found = logits(other, ids);
        double mean = 0;
        for (float logit : wanted) {
            mean += logit;
        }
        mean /= wanted.length;
        double squares = 0;
        double worst = 0;
        for (int i = 0; i < wanted.length; i++) {
            squares += (wanted[i] - mean) * (wanted[i] - mean);
            double error = Math.abs(wanted[i] - found[i]);
            worst = error <= worst ? worst : error;
        }
        return worst / Math.sqrt(squares / wanted.length);
    }

    private static float[] logits(Model model, int[] ids) {
        try (Executor executor = CpuExecutor.open(model, CpuOptions.automatic().withThreads(1));
                ForcedReader reader = new ForcedReader(executor, ids.length)) {
            reader.begin(ids);
            int rows = reader.read();
            assertThat(rows).isEqualTo(ids.length - 1);
            float[] logits = new float[rows * executor.plan().vocabularySize()];
            System.arraycopy(reader.logits(), 0, logits, 0, logits.length);
            return logits;
        }
    }

    @ParameterizedTest
    @CsvSource({
        "gemma2, post_attention_layernorm",
        "olmo2, post_attention_layernorm",
        "llama-odd-sizes, a head of 10 numbers",
    })
    void what_cannot_be_folded_is_refused_by_name(String name, String why) {
        try (SourceModel source = SourceModel.open(TestFiles.golden(name))) {
            assertThatExceptionOfType(EngineException.class)
                    .isThrownBy(() -> RotatedModel.of(source, WHOLE))
                    .withMessageContaining("rotation 'hadamard:1'")
                    .withMessageContaining(why);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"hadamard", "hadamard:1", "hadamard-heads"})
    void threads_and_interruptions_change_no_byte(String rotation) {
        Recipe recipe = Recipe.of(Recipe.codeOf("int4")).rotated(Rotation.parse(rotation));
        String one;
        try (Artifact artifact = convert(recipe, 1, "one", new ConversionListener() {})) {
            one = artifact.manifest().modelDigest();
            String said = "rotation=" + recipe.rotation().canonical();
            assertThat(artifact.manifest().recipe().canonical())
                    .isEqualTo("int4-g32-absmax," + said);
            assertThat(artifact.manifest().quantization().formula()).contains(said);
            assertThat(Recipe.parse(artifact.manifest().recipe().canonical())).isEqualTo(recipe);
            assertThat(artifact.plan().tiedEmbeddings())
                    .isEqualTo(rotation.equals("hadamard-heads"));
            try (SourceModel source = SourceModel.open(TestFiles.demoModel());
                    SourceModel rotated = RotatedModel.of(source, recipe.rotation())) {
                assertThat(artifact.plan()).isEqualTo(rotated.plan());
                List<TensorError> errors = TensorError.of(artifact, rotated, () -> false);
                assertThat(errors)
                        .allSatisfy(error -> assertThat(error.relativeL2()).isLessThan(0.1));
            }
        }
        int[] heard = new int[1];
        assertThatExceptionOfType(CancellationException.class)
                .isThrownBy(() ->
                        convert(
                                recipe,
                                2,
                                "other",
                                new ConversionListener() {
                                    @Override
                                    public boolean isCancelled() {
                                        return heard[0] >= 20;
                                    }

                                    @Override
                                    public void tensorDone(TensorDone tensor) {
                                        heard[0] = tensor.number();
                                    }
                                }));
        try (Artifact artifact = convert(recipe, 3, "other", new ConversionListener() {})) {
            assertThat(artifact.manifest().modelDigest()).isEqualTo(one);
        }
    }

    @Test
    void another_seed_is_another_model() {
        Recipe plain = Recipe.of(Recipe.codeOf("int4"));
        String[] digests = new String[2];
        for (int seed = 0; seed < 2; seed++) {
            Recipe recipe = plain.rotated(new Rotation(Rotation.Kind.HADAMARD_HEADS, seed));
            try (Artifact artifact = convert(recipe, 2, "seeds", new ConversionListener() {})) {
                digests[seed] = artifact.manifest().weightsDigest();
            }
        }
        assertThat(digests[0]).isNotEqualTo(digests[1]);
    }

    private Artifact convert(
            Recipe recipe, int threads, String store, ConversionListener listener) {
        try (SourceModel source = SourceModel.open(TestFiles.demoModel())) {
            return new Converter(threads)
                    .convert(source, recipe, new ArtifactStore(temp.resolve(store)), listener);
        }
    }
}
