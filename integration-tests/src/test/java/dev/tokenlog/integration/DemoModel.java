package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.List;

/// The bundled model, by way of the command line.
final class DemoModel {

    private DemoModel() {}

    /// Converts the bundled model under this name and waits until the registry serves it.
    static void convert(Platform platform, String modelId, int bits) {
        CommandLine.Result result =
                platform.tokenlog(
                        "convert",
                        Checkout.demoModel().toString(),
                        "--bits",
                        Integer.toString(bits),
                        "--name",
                        modelId);
        assertThat(result.status()).as(result.toString()).isZero();
        await(modelId + " is served")
                .atMost(Duration.ofSeconds(90))
                .pollInterval(Duration.ofMillis(250))
                .until(() -> "SERVING".equals(state(platform.bootstrap(), modelId)));
    }

    static String state(String bootstrap, String modelId) {
        List<ObjectNode> serving =
                TopicDump.of(bootstrap, "model-registry").events("model_id", modelId);
        return serving.isEmpty() ? null : serving.getLast().path("state").asText();
    }
}
