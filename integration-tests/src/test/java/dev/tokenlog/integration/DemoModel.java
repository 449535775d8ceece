package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// The bundled model, by way of the command line.
final class DemoModel {

    private DemoModel() {}

    /// Converts the bundled model under this name and waits until the registry serves it.
    static void convert(Platform platform, String modelId, int bits) {
        convert(platform, modelId, "--bits", Integer.toString(bits));
    }

    /// The same with any options of a recipe.
    static void convert(Platform platform, String modelId, String... recipe) {
        List<String> arguments =
                new ArrayList<>(
                        List.of("convert", Checkout.demoModel().toString(), "--name", modelId));
        arguments.addAll(List.of(recipe));
        CommandLine.Result result = platform.tokenlog(arguments.toArray(String[]::new));
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
