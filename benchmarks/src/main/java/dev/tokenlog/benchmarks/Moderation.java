package dev.tokenlog.benchmarks;

import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.LogEvent;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.client.example.Moderator;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import dev.tokenlog.embeddedkafka.EmbeddedKafkaOptions;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.transformer.CpuExecutor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// How soon the example moderator ends an answer: from the append time of the text that breaks its
/// rule to the append time of `GenerationCancelled`, a few generations at once.
///
/// `Moderation --model FOLDER [--recipe int4] [--prompts 100] [--batch 4] [--characters 200]`
public final class Moderation {

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private Moderation() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = BenchmarkModels.options(arguments);
        Path data = Files.createTempDirectory("moderation");
        try (Model model = BenchmarkModels.open(options);
                EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(data))) {
            Map<String, Object> settings = Map.of("bootstrap.servers", kafka.bootstrapServers());
            try (TopicAdmin topics = TopicAdmin.connect(settings, "", Duration.ofSeconds(20))) {
                topics.create(TopicLayout.EMBEDDED);
            }
            String numerics;
            try (CpuExecutor executor = BenchmarkModels.executor(model, options)) {
                numerics = executor.numericsId();
            }
            BenchmarkWorker.serve(settings, "measured", model, numerics);
            BenchmarkWorker worker =
                    BenchmarkWorker.start(options, kafka.bootstrapServers(), data, List.of());
            try (TokenlogClient client = TokenlogClient.connect(settings, "")) {
                measure(client, options);
            } finally {
                worker.close();
            }
        }
    }

    private static void measure(TokenlogClient client, Map<String, String> options) {
        int prompts = BenchmarkModels.number(options, "prompts", 100);
        int batch = BenchmarkModels.number(options, "batch", 4);
        int characters = BenchmarkModels.number(options, "characters", 200);
        Map<String, Instant> broken = new HashMap<>();
        Map<String, Instant> cancelled = new HashMap<>();
        int ended = 0;
        int asked = 0;
        Thread moderating =
                Thread.ofPlatform().daemon().unstarted(() -> moderate(client, characters, broken));
        try (EventStream<TokenEvent> tokens = client.followTokens(Instant.now())) {
            moderating.start();
            while (ended < prompts) {
                for (; asked < prompts && asked - ended < batch; asked++) {
                    client.submit(
                            PromptSubmitted.ofText("measured", "Once upon a time, story " + asked)
                                    .maxTokens(400)
                                    .temperature(1.2)
                                    .build());
                }
                LogEvent<TokenEvent> event = tokens.next(PATIENCE).orElseThrow();
                if (event.event() instanceof Terminal end) {
                    ended++;
                    if (end instanceof GenerationCancelled) {
                        cancelled.put(end.generationId(), event.timestamp());
                    }
                }
            }
        }
        report(prompts, broken, cancelled);
    }

    private static void moderate(
            TokenlogClient client, int characters, Map<String, Instant> broken) {
        try (Moderator moderator = new Moderator(client, text -> text.length() > characters)) {
            while (true) {
                moderator.next(
                        PATIENCE,
                        found -> {
                            synchronized (broken) {
                                broken.put(found.generationId(), found.at());
                            }
                        });
            }
        } catch (TokenlogException closed) {
            // The measurement is over.
        }
    }

    private static void report(
            int prompts, Map<String, Instant> broken, Map<String, Instant> cancelled) {
        long[] lags;
        synchronized (broken) {
            lags =
                    cancelled.entrySet().stream()
                            .mapToLong(end ->
                                    Duration.between(broken.get(end.getKey()), end.getValue())
                                            .toNanos())
                            .toArray();
        }
        Latencies all = Latencies.of(lags);
        System.out.printf(
                Locale.ROOT,
                "%d of %d answers cancelled; from the text to the end: p50 %.0f ms, p90 %.0f ms,"
                        + " p99 %.0f ms, max %.0f ms%n",
                lags.length,
                prompts,
                all.quantile(0.5),
                all.quantile(0.9),
                all.quantile(0.99),
                all.quantile(1));
    }
}
