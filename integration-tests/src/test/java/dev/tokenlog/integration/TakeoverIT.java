package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A worker dies by kill −9 in the middle of its answers; the reader's streams are those of an
/// undisturbed run.
class TakeoverIT {

    private static final List<String> IDS =
            IntStream.range(0, 6).mapToObj(i -> "story-" + i).toList();

    @TempDir private Path folder;

    @Test
    void anotherWorkerGoesOnWithTheSameTokens() throws Exception {
        Path artifacts = folder.resolve("platform");
        TopicDump undisturbed;
        TopicDump registry;
        try (Platform platform = Platform.start(artifacts);
                Prompts prompts = new Prompts(platform.bootstrap())) {
            DemoModel.convert(platform, "demo", 4);
            sendAll(prompts);
            awaitEnds(platform.bootstrap());
            undisturbed = TopicDump.of(platform.bootstrap(), "tokens");
            registry = TopicDump.of(platform.bootstrap(), "model-registry");
        }

        try (EmbeddedKafka kafka =
                        EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder.resolve("kafka")));
                Prompts prompts = new Prompts(kafka.bootstrapServers())) {
            assertThat(
                            CommandLine.tokenlog(
                                            folder,
                                            "topics",
                                            "--partitions",
                                            "4",
                                            "--replication",
                                            "1",
                                            "--bootstrap",
                                            kafka.bootstrapServers())
                                    .status())
                    .isZero();
            for (var record : registry.records()) {
                prompts.send("model-registry", 0, new String(record.key()), record.value());
            }
            disturb(kafka.bootstrapServers(), artifacts, prompts);
            StreamJudge.sameTokens(
                    folder, TopicDump.of(kafka.bootstrapServers(), "tokens"), undisturbed);
        }
    }

    /// Two workers share the partitions; the one that is producing dies, and what it left goes on.
    private void disturb(String bootstrap, Path data, Prompts prompts) throws Exception {
        try (Worker survivor = slowWorker(bootstrap, data)) {
            awaitWorkers(bootstrap, 1);
            Worker victim = slowWorker(bootstrap, data);
            awaitWorkers(bootstrap, 2);
            sendAll(prompts);
            await("the victim is in the middle of an answer")
                    .atMost(Duration.ofSeconds(60))
                    .pollInterval(Duration.ofMillis(20))
                    .until(() -> unfinished(bootstrap, victim.id()) > 0);
            victim.kill();
            awaitEnds(bootstrap);
            assertThat(survivor.isAlive()).as(survivor.log()).isTrue();
        }
        long resumed =
                Generations.of(TopicDump.of(bootstrap, "tokens")).byId().values().stream()
                        .filter(generation -> generation.attempt > 1)
                        .count();
        assertThat(resumed).as("generations that went on elsewhere").isPositive();
    }

    /// With the slowest kernels, which give the same bits, an answer takes longer than a look.
    private static Worker slowWorker(String bootstrap, Path data) {
        return Worker.start(
                bootstrap, data, "-Dtokenlog.compute=scalar", "-Dtokenlog.inference.threads=1");
    }

    private static long unfinished(String bootstrap, String worker) {
        return Generations.of(TopicDump.of(bootstrap, "tokens")).byId().values().stream()
                .filter(generation -> generation.end == null && generation.tokens.size() > 3)
                .filter(generation -> worker.equals(generation.worker))
                .count();
    }

    private static void awaitWorkers(String bootstrap, int count) {
        await(count + " workers share the partitions")
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(200))
                .until(() -> Workers.of(bootstrap).withPartitions() == count);
    }

    private static void sendAll(Prompts prompts) throws InterruptedException {
        for (int i = 0; i < IDS.size(); i++) {
            String prompt =
                    """
                    {"type":"PromptSubmitted","generation_id":"%s","model_id":"demo","max_tokens":400,
                     "temperature":0.8,"top_p":0.95,"seed":%d,
                     "messages":[{"role":"user","content":"Tell me a story about a brave fox who finds a lantern."}]}
                    """
                            .formatted(IDS.get(i), 7 + i);
            prompts.send("prompts", i % 4, IDS.get(i), prompt.getBytes());
        }
    }

    private static void awaitEnds(String bootstrap) {
        await("every generation has ended")
                .atMost(Duration.ofSeconds(120))
                .pollInterval(Duration.ofMillis(250))
                .until(() -> {
                    Generations all = Generations.of(TopicDump.of(bootstrap, "tokens"));
                    return IDS.stream()
                            .allMatch(id -> all.byId().containsKey(id) && all.get(id).end != null);
                });
    }
}
