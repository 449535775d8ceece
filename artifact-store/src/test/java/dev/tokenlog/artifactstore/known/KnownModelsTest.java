package dev.tokenlog.artifactstore.known;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.architecture.ModelPlans;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KnownModelsTest {

    /// The parameter counts are those that the models' authors publish.
    @ParameterizedTest
    @CsvSource({
        "tinyllama, llama, 2048, 1100048384",
        "mistral-7b, mistral, 32768, 7241732096",
        "mistral-7b-instruct, mistral, 32768, 7248023552",
        "gemma-2b, gemma, 8192, 2506172416",
        "llama2-7b, llama, 4096, 6738415616",
        "phi-3.5-mini, phi3, 131072, 3821079552",
    })
    void familyContextAndParametersAreThePublishedOnes(
            String name, String family, int context, long parameters) {
        KnownModel model =
                KnownModels.all().stream()
                        .filter(each -> each.name().equals(name))
                        .findFirst()
                        .orElseThrow();
        assertThat(model.family()).isEqualTo(family);
        assertThat(model.contextLength()).isEqualTo(context);
        assertThat(model.parameters()).isEqualTo(parameters);
        assertThat(KnownModels.find(name, null)).contains(model.hub());
        assertThat(KnownModels.find(name, "v1").orElseThrow().revision()).isEqualTo("v1");
    }

    /// By hand for one of them: 22 layers of 2048 columns, groups of 32.
    @Test
    void sizesCountScalesAndKeepTheEmbeddingAtEightBits() {
        KnownModel.Sizes sizes = KnownModels.all().getFirst().sizes();
        long around = 2 * 32_000L * 2048;
        long layers = 22L * (2 * 2048 * 2048 + 2 * 256 * 2048 + 3 * 5632 * 2048);
        long norms = (2 * 22 + 1) * 2048 * 4L;
        assertThat(sizes.bits8()).isEqualTo((around + layers) * 17 / 16 + norms);
        assertThat(sizes.bits4()).isEqualTo(around * 17 / 16 + layers * 9 / 16 + norms);
        assertThat(sizes.bits2()).isEqualTo(around * 17 / 16 + layers * 5 / 16 + norms);
        assertThat(sizes.bits1()).isEqualTo(around * 17 / 16 + layers * 3 / 16 + norms);
        assertThat(sizes.bits4() * 8.0 / 1_100_048_384).isCloseTo(5.0, within(0.1));
    }

    @Test
    void everyNameIsOfTheTable() {
        assertThat(KnownModels.names())
                .containsExactly(
                        "tinyllama",
                        "mistral-7b",
                        "mistral-7b-instruct",
                        "gemma-2b",
                        "llama2-7b",
                        "phi-3.5-mini");
        assertThat(KnownModels.find("no-such-model", null)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "tinyllama, TinyLlama-1.1B-Chat-v1.0",
        "mistral-7b, Mistral-7B-v0.1",
        "mistral-7b-instruct, Mistral-7B-Instruct-v0.3",
        "gemma-2b, gemma-2b",
        "llama2-7b, Llama-2-7b-hf",
        "phi-3.5-mini, Phi-3.5-mini-instruct",
    })
    void theShortenedConfigurationGivesThePlanOfTheWholeOne(String name, String whole) {
        Path file =
                Path.of(System.getProperty("tokenlog.root"))
                        .resolveSibling("shared")
                        .resolve("data/configs/" + whole + ".config.json");
        assumeTrue(Files.exists(file), () -> "skipped: " + file + " is not there");
        boolean same = KnownModels.plan(name).equals(ModelPlans.read(file));
        assertThat(same).as("the plans are the same").isTrue();
    }
}
