package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.utility.DockerImageName;

/// The platform on a Kafka that is not ours, with that one's defaults: Apache's own image, where
/// there is Docker.
class ContainerKafkaIT {

    private static final DockerImageName IMAGE = DockerImageName.parse("apache/kafka:4.1.0");

    @TempDir private Path folder;

    @Test
    void convertsAndAnswersOnAnotherKafka() throws Exception {
        Needs.that("docker", hasDockerSocket(), "needs Docker, whose socket was not found");
        try (KafkaContainer kafka = new KafkaContainer(IMAGE)) {
            kafka.start();
            try (Platform platform =
                    Platform.start(
                            folder.resolve("data"), "--bootstrap", kafka.getBootstrapServers())) {
                DemoModel.convert(platform, "demo", 8);
                CommandLine.Result answer =
                        platform.tokenlog("generate", "demo", "What is a partition?");
                assertThat(answer.status()).as(answer.toString()).isZero();
                assertThat(answer.out()).isNotBlank();
            }
        }
    }

    /// Looked for first: Testcontainers itself would log an error where there is none.
    private static boolean hasDockerSocket() {
        String runtime = System.getenv("XDG_RUNTIME_DIR");
        return System.getenv("DOCKER_HOST") != null
                || Files.exists(Path.of("/var/run/docker.sock"))
                || (runtime != null && Files.exists(Path.of(runtime, "docker.sock")))
                || Files.exists(
                        Path.of(System.getProperty("user.home"), ".docker/run/docker.sock"));
    }
}
