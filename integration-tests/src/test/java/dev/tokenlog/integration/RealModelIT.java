package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A real chat model through the topics: SmolLM2-135M-Instruct, where it has been fetched.
class RealModelIT {

    @TempDir private Path folder;

    @ParameterizedTest
    @ValueSource(ints = {8, 4})
    void smolLm2KnowsTheCapitalOfFrance(int bits) throws Exception {
        String fetched = System.getenv("TOKENLOG_REAL_MODEL");
        assumeTrue(
                fetched != null && Files.exists(Path.of(fetched, "hf", "model.safetensors")),
                "needs TOKENLOG_REAL_MODEL, a folder with SmolLM2-135M-Instruct in hf/");
        try (Platform platform = Platform.start(folder)) {
            CommandLine.Result convert =
                    CommandLine.tokenlog(
                            folder,
                            Duration.ofMinutes(10),
                            "convert",
                            Path.of(fetched, "hf").toString(),
                            "--bits",
                            Integer.toString(bits),
                            "--name",
                            "smollm2",
                            "--bootstrap",
                            platform.bootstrap());
            assertThat(convert.status()).as(convert.toString()).isZero();
            org.awaitility.Awaitility.await("smollm2 is served")
                    .atMost(Duration.ofMinutes(8))
                    .until(() ->
                            "SERVING".equals(DemoModel.state(platform.bootstrap(), "smollm2")));
            CommandLine.Result answer =
                    platform.tokenlog(
                            "generate",
                            "smollm2",
                            "What is the capital of France?",
                            "--temperature",
                            "0",
                            "--max-tokens",
                            "32");

            assertThat(answer.status()).as(answer.toString()).isZero();
            assertThat(answer.out()).contains("Paris");
        }
    }
}
