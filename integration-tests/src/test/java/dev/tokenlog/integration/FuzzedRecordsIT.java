package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.contracts.ControlEvent;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.UnreadableEventException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Records that nobody can work with, on every topic that a processor reads: each ends as an event
/// or as a dead letter, and what comes after them is answered. `-Dtokenlog.fuzz.seed=N` tries
/// others.
class FuzzedRecordsIT {

    private static final int PER_TOPIC = Integer.getInteger("tokenlog.fuzz.records", 30);
    private static final long SEED = Long.getLong("tokenlog.fuzz.seed", 20_260_101L);
    private static final ObjectMapper JSON = new ObjectMapper();

    /// What was sent, and where it lies.
    private record Sent(RecordFuzzer.Fuzzed fuzzed, RecordMetadata place) {
        String where() {
            return where(place.topic(), place.partition(), place.offset());
        }

        static String where(String topic, int partition, long offset) {
            return topic + "-" + partition + "@" + offset;
        }

        /// A field of a value that is JSON; empty text otherwise.
        String field(String name) {
            try {
                JsonNode value = fuzzed.value() == null ? null : JSON.readTree(fuzzed.value());
                return value == null ? "" : value.path(name).asText();
            } catch (IOException notJson) {
                return "";
            }
        }

        @Override
        public String toString() {
            return where() + " " + fuzzed.what();
        }
    }

    @TempDir private Path folder;

    private final List<Sent> sent = new ArrayList<>();
    private Platform platform;

    @Test
    void everyRecordEndsAsAnEventOrAsADeadLetter() throws Exception {
        System.out.println("FuzzedRecordsIT: seed " + SEED + ", records per topic " + PER_TOPIC);
        try (Platform up = Platform.start(folder, Map.of("HF_HUB_OFFLINE", "1"));
                Prompts producer = new Prompts(up.bootstrap())) {
            platform = up;
            DemoModel.convert(up, "demo", 8);
            send(producer);
            whatComesAfterIsAnswered(producer);
            try {
                await("every record has ended")
                        .atMost(Duration.ofSeconds(60))
                        .pollInterval(Duration.ofMillis(500))
                        .until(() -> open().isEmpty());
            } finally {
                assertThat(open()).as("seed " + SEED + " left these without a trace").isEmpty();
            }
        }
    }

    private void send(Prompts producer) throws InterruptedException {
        RecordFuzzer fuzzer = new RecordFuzzer(SEED);
        for (int i = 0; i < PER_TOPIC; i++) {
            send(producer, "prompts", i % 4, fuzzer.next("PromptSubmitted"));
            send(producer, "generation-controls", 0, fuzzer.next("CancelRequested"));
            send(
                    producer,
                    "conversion-requests",
                    0,
                    fuzzer.next("ConversionRequested", "ConversionCancelRequested"));
            send(
                    producer,
                    "registry-commands",
                    0,
                    fuzzer.next(
                            "PromoteRequested",
                            "RollbackRequested",
                            "UnpublishRequested",
                            "RevokeRequested"));
            send(
                    producer,
                    "validation-requests",
                    0,
                    fuzzer.next(
                            "ValidationRequested", "ReplayRequested", "CandidateReplayRequested"));
            send(producer, "model-manifests", 0, fuzzer.next("ModelManifest"));
        }
    }

    private void send(Prompts producer, String topic, int partition, RecordFuzzer.Fuzzed fuzzed)
            throws InterruptedException {
        // A compacted topic takes no record without a key: the broker refuses it.
        String key =
                topic.equals("model-manifests") && fuzzed.key() == null ? "none" : fuzzed.key();
        RecordMetadata place =
                producer.send(topic, partition, key, fuzzed.value(), fuzzed.headers());
        sent.add(new Sent(fuzzed, place));
    }

    /// On each topic, behind all that was sent.
    private void whatComesAfterIsAnswered(Prompts producer) throws InterruptedException {
        for (int partition = 0; partition < 4; partition++) {
            producer.send("prompts", partition, "after", prompt("after-" + partition, 4));
        }
        // Asked for before the prompt: it is cancelled before it begins.
        producer.send(
                "generation-controls",
                0,
                "after",
                "{\"type\":\"CancelRequested\",\"generation_id\":\"cancelled-after\"}".getBytes());
        awaitEvent("tokens", ended("generation_id", "after-3"));
        producer.send("prompts", 0, "after", prompt("cancelled-after", 400));
        for (int partition = 0; partition < 3; partition++) {
            awaitEvent("tokens", ended("generation_id", "after-" + partition));
        }
        awaitEvent("tokens", ended("generation_id", "cancelled-after"));
        assertThat(
                        TopicDump.of(platform.bootstrap(), "tokens")
                                .events("generation_id", "cancelled-after")
                                .getLast()
                                .path("type")
                                .asText())
                .isEqualTo("GenerationCancelled");

        assertThat(platform.tokenlog("replay", "after-0").status()).isZero();
        assertThat(platform.tokenlog("convert", "/nowhere/after", "--name", "after").err())
                .contains("SOURCE_NOT_FOUND");
        assertThat(platform.tokenlog("models", "unpublish", "demo").status()).isZero();
        await("the registry has obeyed")
                .atMost(Duration.ofSeconds(30))
                .until(() -> "UNPUBLISHED".equals(DemoModel.state(platform.bootstrap(), "demo")));
    }

    private static byte[] prompt(String id, int tokens) {
        return """
        {"type":"PromptSubmitted","generation_id":"%s","model_id":"demo","max_tokens":%d,"prompt":"Once upon a time"}
        """
                .formatted(id, tokens)
                .getBytes(StandardCharsets.UTF_8);
    }

    private void awaitEvent(String topic, Predicate<ObjectNode> wanted) {
        await("an answer on " + topic)
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(200))
                .until(() ->
                        TopicDump.of(platform.bootstrap(), topic).events().stream()
                                .anyMatch(wanted));
    }

    private static Predicate<ObjectNode> ended(String field, String value) {
        return event -> value.equals(event.path(field).asText()) && isEnd(event);
    }

    private static boolean isEnd(ObjectNode event) {
        return event.path("type")
                .asText()
                .matches(".*(Finished|Failed|Cancelled|Verified|Diverged|Replayed)");
    }

    /// What has left no trace yet.
    private List<Sent> open() {
        Set<String> traces = new HashSet<>();
        for (ConsumerRecord<byte[], byte[]> letter : dump("dead-letters").records()) {
            traces.add(
                    Sent.where(
                            TopicDump.header(letter, "topic"),
                            Integer.parseInt(TopicDump.header(letter, "partition")),
                            Long.parseLong(TopicDump.header(letter, "offset"))));
        }
        for (ConsumerRecord<byte[], byte[]> record : dump("tokens").records()) {
            ObjectNode event = json(record.value());
            if (isEnd(event)) {
                traces.add(
                        Sent.where(
                                "prompts",
                                record.partition(),
                                event.path("prompt_offset").asLong()));
            }
        }
        Set<String> ends = new HashSet<>();
        for (String topic : List.of("conversion-events", "accuracy-metrics")) {
            dump(topic).events().stream()
                    .filter(FuzzedRecordsIT::isEnd)
                    .forEach(event -> {
                        for (String id : List.of("conversion_id", "validation_id", "replay_id")) {
                            ends.add(event.path(id).asText());
                        }
                    });
        }
        ends.remove("");
        return sent.stream()
                .filter(one -> !traces.contains(one.where()))
                .filter(one -> !saysSomething(one, ends))
                .toList();
    }

    /// Whether the record was one that could be obeyed, and was.
    private static boolean saysSomething(Sent one, Set<String> ends) {
        String numbered = one.place().partition() + "-" + one.place().offset();
        return switch (one.place().topic()) {
            case "conversion-requests" -> ends.contains(one.field("conversion_id"));
            case "validation-requests" ->
                    ends.contains(one.field("validation_id"))
                            || ends.contains(one.field("replay_id"))
                            || ends.contains("request-" + numbered);
            // Without a value it takes a manifest back: an event of its own.
            case "model-manifests" ->
                    one.fuzzed().value() == null || ends.contains("manifest-" + numbered);
            // One that can be read is obeyed, or refused with a dead letter: a broken manifest may
            // have published its model, and a digest may be revoked before that.
            case "registry-commands" -> read(one, RegistryCommand.class);
            // A cancel of a generation that nobody knows is kept until its prompt comes.
            case "generation-controls" -> read(one, ControlEvent.class);
            default -> false;
        };
    }

    private static boolean read(Sent one, Class<? extends Event> topic) {
        try {
            RecordHeaders headers = new RecordHeaders(one.fuzzed().headers());
            EventJson.read(headers, one.fuzzed().value(), topic);
            return true;
        } catch (UnreadableEventException e) {
            return false;
        }
    }

    private TopicDump dump(String topic) {
        return TopicDump.of(platform.bootstrap(), topic);
    }

    private static ObjectNode json(byte[] value) {
        try {
            return (ObjectNode) JSON.readTree(value);
        } catch (IOException e) {
            throw new AssertionError("a token event is no JSON", e);
        }
    }
}
