package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A prompt by which every worker dies: whoever claims it is killed before its first token. Its
/// neighbours in the batch are answered, it fails with `POISON` after four attempts, and the
/// partition goes on.
class PoisonIT {

    private static final ObjectMapper JSON = new ObjectMapper();

    /// `docs/events.md`: after so many it is given up.
    private static final int SILENT_LIMIT = 4;

    private static final Duration LIMIT = Duration.ofSeconds(120);
    private static final String POISON = "poison";
    private static final List<String> INNOCENT = List.of("before", "after", "last");

    @TempDir private Path folder;

    private EmbeddedKafka kafka;
    private int kills;
    private int silent;

    @Test
    void aPromptThatKillsItsWorkersIsGivenUpAndItsNeighboursAreAnswered() throws Exception {
        // Who is killed is missed soon: this test waits for it four times.
        Map<String, String> quick =
                Map.of(
                        "group.consumer.heartbeat.interval.ms", "100",
                        "group.consumer.min.heartbeat.interval.ms", "100",
                        "group.consumer.session.timeout.ms", "1500",
                        "group.consumer.min.session.timeout.ms", "1500");
        try (EmbeddedKafka broker =
                        EmbeddedKafka.start(
                                EmbeddedKafkaOptions.in(folder.resolve("kafka"))
                                        .withSettings(quick));
                Prompts prompts = new Prompts(broker.bootstrapServers())) {
            kafka = broker;
            prepare(prompts);
            prompts.send("prompts", 0, "before", prompt("before", "Once upon a time", 8));
            String story = "the fox and the lantern and the river ".repeat(90);
            RecordMetadata poison = prompts.send("prompts", 0, POISON, prompt(POISON, story, 8));
            prompts.send("prompts", 0, "after", prompt("after", "Once upon a time", 8));

            Worker survivor = killWhoeverClaimsThePoison(prompts);
            try (survivor) {
                Generations all = Generations.of(dump("tokens"));
                assertThat(all.get(POISON).endType()).isEqualTo("GenerationFailed");
                assertThat(all.get(POISON).code()).isEqualTo("POISON");
                assertThat(all.get(POISON).tokens).isEmpty();
                for (String id : INNOCENT) {
                    assertThat(all.get(id).endType()).as(id).isEqualTo("GenerationFinished");
                }
                assertThat(survivor.isAlive()).as(survivor.log()).isTrue();
            }
            // An attempt that was killed too late, after a token, begins the count anew.
            assertThat(kills).isBetween(4, 8);
            aDeadLetterTellsOfIt(poison);
        }
    }

    /// Topics, an artifact, and what the registry would say about it.
    private void prepare(Prompts prompts) throws Exception {
        run("topics", "--partitions", "1", "--replication", "1", "--bootstrap", bootstrap());
        JsonNode artifact =
                JSON.readTree(
                        run(
                                "quantize",
                                Checkout.demoModel().toString(),
                                "--bits",
                                "8",
                                "--out",
                                folder.resolve("artifacts").toString(),
                                "--json"));
        String digest = artifact.path("model_digest").asText();
        ModelServing.Version version =
                new ModelServing.Version(
                        digest,
                        ModelServing.State.SERVING,
                        Verdict.PASS,
                        "v",
                        null,
                        artifact.path("location").asText(),
                        artifact.path("manifest_sha256").asText(),
                        "llama",
                        "int8",
                        8,
                        0,
                        1024,
                        null);
        prompts.send(
                "model-registry",
                0,
                "demo",
                EventJson.write(
                        new ModelServing(
                                "demo", ModelServing.State.SERVING, version, List.of(version))));
    }

    private String run(String... arguments) {
        CommandLine.Result result = CommandLine.tokenlog(folder, arguments);
        assertThat(result.status()).as(result.toString()).isZero();
        return result.out();
    }

    private String bootstrap() {
        return kafka.bootstrapServers();
    }

    /// Reading a long prompt with the slowest kernels takes longer than a kill.
    private Worker worker() {
        return Worker.start(
                bootstrap(), folder, "-Dtokenlog.compute=scalar", "-Dtokenlog.inference.threads=1");
    }

    /// @return the worker that gave the poison up and answered everybody else
    private Worker killWhoeverClaimsThePoison(Prompts prompts) throws Exception {
        Set<String> open = new HashSet<>(INNOCENT);
        open.add(POISON);
        Worker worker = worker();
        long until = System.nanoTime() + LIMIT.toNanos();
        try (KafkaConsumer<byte[], byte[]> tokens =
                new KafkaConsumer<>(
                        Map.of("bootstrap.servers", bootstrap(), "fetch.max.wait.ms", 10),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer())) {
            TopicPartition partition = new TopicPartition("tokens", 0);
            tokens.assign(List.of(partition));
            tokens.seekToBeginning(List.of(partition));
            while (!open.isEmpty()) {
                assertThat(System.nanoTime())
                        .as("still open: %s\n%s", open, worker.log())
                        .isLessThan(until);
                for (JsonNode event : events(tokens)) {
                    String id = event.path("generation_id").asText();
                    String type = event.path("type").asText();
                    if (type.matches("GenerationFinished|GenerationFailed|GenerationCancelled")) {
                        open.remove(id);
                        if (id.equals(POISON)) {
                            // The partition goes on, on the worker that gave it up.
                            prompts.send("prompts", 0, "last", prompt("last", "Once", 4));
                        }
                    } else if (id.equals(POISON) && type.equals("TokensGenerated")) {
                        silent = 0;
                    } else if (id.equals(POISON) && claims(event) && silent < SILENT_LIMIT) {
                        // What runs it dies; who claims it once more does not run it.
                        worker.kill();
                        kills++;
                        assertThat(kills).isLessThanOrEqualTo(8);
                        silent++;
                        worker = worker();
                        until = System.nanoTime() + LIMIT.toNanos();
                    }
                }
            }
            return worker;
        }
    }

    private static boolean claims(JsonNode event) {
        return event.path("type").asText().matches("GenerationStarted|GenerationResumed");
    }

    private static List<JsonNode> events(KafkaConsumer<byte[], byte[]> consumer)
            throws IOException {
        List<JsonNode> events = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
            events.add(JSON.readTree(record.value()));
        }
        return events;
    }

    private void aDeadLetterTellsOfIt(RecordMetadata poison) {
        CommandLine.Result list =
                CommandLine.tokenlog(
                        folder, "dead-letters", "list", "--json", "--bootstrap", bootstrap());
        assertThat(list.out()).as(list.toString()).contains("POISON");
        assertThat(dump("dead-letters").records())
                .anySatisfy(letter -> {
                    assertThat(TopicDump.header(letter, "reason")).isEqualTo("POISON");
                    assertThat(TopicDump.header(letter, "offset"))
                            .isEqualTo(Long.toString(poison.offset()));
                    assertThat(new String(letter.key(), StandardCharsets.UTF_8)).isEqualTo(POISON);
                });
    }

    private TopicDump dump(String topic) {
        return TopicDump.of(bootstrap(), topic);
    }

    private static byte[] prompt(String id, String text, int tokens) {
        return """
        {"type":"PromptSubmitted","generation_id":"%s","model_id":"demo","max_tokens":%d,"prompt":"%s"}
        """
                .formatted(id, tokens, text)
                .getBytes(StandardCharsets.UTF_8);
    }
}
