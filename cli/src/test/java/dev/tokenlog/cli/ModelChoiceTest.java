package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What MODEL means, and what is said of models before anything is downloaded.
class ModelChoiceTest {

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({
        "tinyllama, , hub:TinyLlama/TinyLlama-1.1B-Chat-v1.0@main",
        "phi-3.5-mini, v1, hub:microsoft/Phi-3.5-mini-instruct@v1",
        "org/no-such-folder, , hub:org/no-such-folder@main",
        "org/no-such-folder@refs/pr/3, , hub:org/no-such-folder@refs/pr/3",
        "hub:org/model@abc, , hub:org/model@abc",
        "hub:gpt2, , hub:gpt2@main",
        "hub:org/model#x.Q4_0.gguf, , hub:org/model@main#x.Q4_0.gguf",
    })
    void aModelOfTheHub(String model, String revision, String id) {
        ModelChoice choice = ModelChoice.of(model, revision, null);
        assertThat(choice).isInstanceOf(ModelChoice.OfHub.class);
        assertThat(((ModelChoice.OfHub) choice).id()).hasToString(id);
        assertThat(choice.remark().isPresent()).isEqualTo(!model.startsWith("hub:"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "./tinyllama",
                "../a/b",
                "/a/b",
                "a/b/c",
                "org/model.gguf",
                "no-such-name",
                "org/-x",
                "a//b",
                "org/..",
                "~/model"
            })
    void whatCannotBeAnIdIsAPath(String model) {
        assertThat(ModelChoice.of(model, null, null)).isInstanceOf(ModelChoice.Local.class);
        assertThatThrownBy(() -> ModelChoice.of(model, "main", null))
                .isInstanceOf(CommandFailure.class)
                .hasMessageContaining("--revision");
    }

    @Test
    void aFolderThatIsThereComesFirstAndThatIsSaid() throws Exception {
        Path working = Path.of("").toAbsolutePath();
        Path here = Files.createTempDirectory(working.resolve("target"), "org");
        String model = working.relativize(here).toString(); // target/org123: the form of a hub id
        ModelChoice choice = ModelChoice.of(model, null, null);
        assertThat(choice).isInstanceOf(ModelChoice.Local.class);
        assertThat(((ModelChoice.Local) choice).path()).isEqualTo(here);
        assertThat(choice.remark().orElseThrow())
                .contains("is the folder " + here)
                .contains("hub:" + model);
        Files.delete(here);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hub:",
                "hub:a/b/c",
                "hub:../x",
                "hub:a/b@",
                "hub:a/b@../x",
                "hub:a--b/c",
                "hub:a/b#x.bin",
                "hub:a/b#../x.gguf"
            })
    void aBrokenHubIdIsWrongUsage(String model) {
        CommandRun run = CommandRun.of("convert", model);
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("hub id");
    }

    @Test
    void theKnownModelsAreListedWithTheirSizes() {
        CommandRun table = CommandRun.of("convert", "--list");
        assertThat(table.status()).isZero();
        assertThat(table.out())
                .contains("tinyllama", "1,100,048,384", "meta-llama/Llama-2-7b-hf (gated")
                .contains("1 bit ", "2 bit ", "4 bit ", "8 bit ");

        JsonNode json = Json.read(CommandRun.of("convert", "--list", "--json").out(), "list");
        JsonNode phi = json.path("models").path(5);
        assertThat(phi.path("name").asText()).isEqualTo("phi-3.5-mini");
        assertThat(phi.path("context_length").asInt()).isEqualTo(131072);
        assertThat(phi.path("sizes").path(2).path("bits").asInt()).isEqualTo(4);
        assertThat(phi.path("sizes").path(2).path("bytes").asLong())
                .isBetween(2_000_000_000L, 2_500_000_000L);
    }

    @Test
    void aFileOfARepository() {
        ModelChoice choice = ModelChoice.of("org/no-such-folder", "v1", "x.Q4_0.gguf");
        assertThat(((ModelChoice.OfHub) choice).id())
                .hasToString("hub:org/no-such-folder@v1#x.Q4_0.gguf");
        assertThat(CommandRun.of("convert", "org/no-such-folder", "--file", "../x.gguf").status())
                .isEqualTo(ExitStatus.USAGE);
        assertThat(CommandRun.of("convert", "demo", "--file", "x.gguf").status())
                .isEqualTo(ExitStatus.USAGE);
    }

    @Test
    void severalModelsHaveNoOneName() {
        assertThat(CommandRun.of("convert", "a/b", "c/d", "--name", "x").status())
                .isEqualTo(ExitStatus.USAGE);
        assertThat(CommandRun.of("convert").status()).isEqualTo(ExitStatus.USAGE);
        assertThat(CommandRun.of("convert").err()).contains("--all").contains("--list");
    }

    @Test
    void doctorShowsTheHubAndNeverTheToken() {
        Map<String, String> environment =
                Map.of(
                        "HF_TOKEN", "hf_SecretOfTheDoctor",
                        "HF_HOME", folder.toString(),
                        "HF_ENDPOINT", "http://127.0.0.1:9",
                        "HF_HUB_OFFLINE", "1");
        CommandRun run = CommandRun.of(environment, "doctor", "--bootstrap", "127.0.0.1:9");
        assertThat(run.out())
                .contains("http://127.0.0.1:9, offline")
                .contains("present, of HF_TOKEN")
                .contains(folder.resolve("hub").toString());
        assertThat(run.toString()).doesNotContain("hf_SecretOfTheDoctor");
    }

    @Test
    void aModelThatIsNotInTheCacheIsSaidOffline() {
        Map<String, String> environment =
                Map.of("HF_HOME", folder.toString(), "HF_HUB_OFFLINE", "1");
        CommandRun run = CommandRun.of(environment, "tokenize", "org/absent");
        assertThat(run.status()).isEqualTo(ExitStatus.ENVIRONMENT);
        assertThat(run.err())
                .contains("there is no folder 'org/absent'")
                .contains("SOURCE_UNAVAILABLE")
                .contains("HF_HUB_OFFLINE");
    }
}
