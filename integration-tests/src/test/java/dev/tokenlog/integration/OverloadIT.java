package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Ten times the prompts that the worker can answer, for a while: nothing is lost, everybody is
/// told, and who asks little is not kept waiting by who asks much. For minutes, and with figures:
/// the benchmark `Overload`.
class OverloadIT {

    private static final int HELD = 100;
    private static final int WARM = 16;

    /// The first is not counted.
    private static final int WARM_ROUNDS = 4;

    private static final int TIMES = 10;
    private static final Duration LASTS = Duration.ofSeconds(8);

    /// A deadline leaves time for so many answers, whatever else the machine has to do.
    private static final int ANSWERS_TO_A_DEADLINE = 40;

    private static final int LEAST_DEADLINE_MILLIS = 3_000;

    /// Of so many prompts one is the guest's.
    private static final int GUEST = 40;

    @TempDir private Path folder;

    private static byte[] prompt(String id, String user, String more) {
        return ("{\"generation_id\":\"%s\",\"model_id\":\"demo\",\"user\":\"%s\","
                        + "\"prompt\":\"Once upon a time %s\",\"temperature\":1.5,\"max_tokens\":100%s}")
                .formatted(id, user, id, more)
                .getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void nothingIsLostAndEverybodyIsTold() throws Exception {
        Map<String, String> settings =
                Map.of("TOKENLOG_INFERENCE_LIMITS_HELD_PROMPTS", Integer.toString(HELD));
        try (Platform platform = Platform.start(folder.resolve("data"), settings);
                KafkaProducer<byte[], byte[]> producer =
                        new KafkaProducer<>(
                                Map.of("bootstrap.servers", platform.bootstrap()),
                                new ByteArraySerializer(),
                                new ByteArraySerializer())) {
            DemoModel.convert(platform, "demo", 4);
            // The first answers are slow: the compiler has not had its turn.
            capacity(platform, producer, 0);
            // The best of three: a machine that stood still for a moment would be given too little.
            double capacity = 0;
            for (int i = 1; i < WARM_ROUNDS; i++) {
                capacity = Math.max(capacity, capacity(platform, producer, i * WARM));
            }
            int sent = overload(producer, capacity);
            await("all have ended")
                    .atMost(Duration.ofSeconds(60))
                    .pollInterval(Duration.ofMillis(300))
                    .until(() -> ended(platform) >= sent + WARM_ROUNDS * WARM);
            judge(platform, sent);
            StreamJudge.allWell(folder, TopicDump.of(platform.bootstrap(), "tokens"));
        }
    }

    /// Answers a second, a few at once.
    private static double capacity(
            Platform platform, KafkaProducer<byte[], byte[]> producer, int before) {
        long begin = System.nanoTime();
        for (int i = 0; i < WARM; i++) {
            send(producer, "warm-" + (before + i), "warm", "");
        }
        await("warm answers")
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(20))
                .until(() -> ended(platform) == before + WARM);
        return WARM / ((System.nanoTime() - begin) / 1e9);
    }

    private static int overload(KafkaProducer<byte[], byte[]> producer, double capacity)
            throws InterruptedException {
        long deadline =
                Math.max(
                        LEAST_DEADLINE_MILLIS,
                        Math.round(1_000 * ANSWERS_TO_A_DEADLINE / capacity));
        double rate = TIMES * capacity;
        long begin = System.nanoTime();
        AtomicInteger sent = new AtomicInteger();
        for (double now = 0; now < LASTS.toSeconds(); now = (System.nanoTime() - begin) / 1e9) {
            while (sent.get() < now * rate) {
                int i = sent.getAndIncrement();
                String user = i % GUEST == 0 ? "guest" : "crowd";
                send(producer, user + "-" + i, user, ",\"deadline_ms\":" + deadline);
            }
            Thread.sleep(2);
        }
        producer.flush();
        return sent.get();
    }

    private static void send(
            KafkaProducer<byte[], byte[]> producer, String id, String user, String more) {
        producer.send(
                new ProducerRecord<>(
                        "prompts", id.getBytes(StandardCharsets.UTF_8), prompt(id, user, more)));
    }

    private static long ended(Platform platform) {
        return Generations.of(TopicDump.of(platform.bootstrap(), "tokens")).byId().values().stream()
                .filter(generation -> generation.end != null)
                .count();
    }

    private static void judge(Platform platform, int sent) {
        TopicDump dump = TopicDump.of(platform.bootstrap(), "tokens");
        Map<String, Integer> kinds = new HashMap<>();
        Map<String, int[]> users = new HashMap<>();
        Map<String, List<Long>> waited = new HashMap<>();
        Generations.of(dump)
                .byId()
                .forEach((id, generation) -> {
                    String kind =
                            generation.code() == null ? generation.endType() : generation.code();
                    kinds.merge(kind, 1, Integer::sum);
                    int[] all = users.computeIfAbsent(id.replaceAll("-.*", ""), _ -> new int[2]);
                    all[0]++;
                    if (kind.equals("GenerationFinished")) {
                        waited.computeIfAbsent(id.replaceAll("-.*", ""), _ -> new ArrayList<>())
                                .add(generation.end.path("timings").path("queue_ms").asLong());
                    }
                    all[1] += kind.equals("GenerationFinished") ? 1 : 0;
                    if (kind.equals("OVERLOADED")) {
                        assertThat(generation.tokens).as(id).isEmpty();
                    }
                });
        System.out.printf("overload: %d prompts, %s%n", sent, kinds);
        assertThat(kinds.values().stream().mapToInt(n -> n).sum())
                .isEqualTo(sent + WARM_ROUNDS * WARM);
        assertThat(kinds.keySet())
                .containsAnyOf("OVERLOADED", "DEADLINE_PASSED")
                .isSubsetOf("GenerationFinished", "OVERLOADED", "DEADLINE_PASSED");
        assertThat(share(users.get("guest")))
                .as("answers to whoever asks little")
                .isPositive()
                .isGreaterThanOrEqualTo(share(users.get("crowd")));
        // Whatever the machine can do, the turns are shared.
        assertThat(median(waited.get("guest")))
                .as("whoever asks little waits less, %s", waited)
                .isLessThan(median(waited.get("crowd")));
        queueIsBoundedAndTold(platform);
    }

    private static long median(List<Long> values) {
        return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
    }

    private static double share(int[] all) {
        return all[1] / (double) all[0];
    }

    private static void queueIsBoundedAndTold(Platform platform) {
        boolean told = false;
        for (ObjectNode state :
                TopicDump.of(platform.bootstrap(), "worker-events").events("type", "WorkerState")) {
            assertThat(state.path("queued_generations").asInt()).isLessThanOrEqualTo(HELD);
            told |=
                    state.path("queue").size() > 1
                            && state.path("queue").get(1).path("position").asInt() == 2
                            && state.path("queue").get(1).path("tokens_ahead").asInt() > 0;
        }
        assertThat(told).as("places in the queue are told").isTrue();
    }
}
