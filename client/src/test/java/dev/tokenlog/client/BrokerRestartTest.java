package dev.tokenlog.client;

import static dev.tokenlog.client.ScriptedWorker.finished;
import static dev.tokenlog.client.ScriptedWorker.started;
import static dev.tokenlog.client.ScriptedWorker.tokens;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BrokerRestartTest {

    @TempDir Path data;

    @Test
    void aStreamGoesOnAfterItsBrokerWasKilledAndStartedAgain() {
        try (EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            try (TopicAdmin topics = TopicAdmin.connect(settings, "", Duration.ofSeconds(20))) {
                topics.create(TopicLayout.EMBEDDED);
            }
            try (TokenlogClient client = TokenlogClient.connect(settings, "");
                    ScriptedWorker worker = new ScriptedWorker(settings, "");
                    GenerationStream stream =
                            client.generate(PromptSubmitted.ofText("demo", "Once").build())) {
                GenerationHandle handle = stream.handle();
                String id = handle.generationId();
                worker.writeTokens(
                        handle.partition(),
                        started(id, handle.bodyHash().orElseThrow(), null),
                        tokens(id, 1, 0, "before", 1));
                assertThat(stream.next(Duration.ofSeconds(20))).isPresent();

                kafka.kill();
                kafka.restart();
                worker.writeTokens(
                        handle.partition(), tokens(id, 1, 1, " after", 2), finished(id, 1, 2));

                assertThat(stream.await(Duration.ofSeconds(30)).text()).isEqualTo("before after");
            }
        }
    }
}
