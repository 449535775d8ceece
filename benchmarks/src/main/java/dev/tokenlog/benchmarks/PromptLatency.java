package dev.tokenlog.benchmarks;

import dev.tokenlog.client.GenerationHandle;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.GenerationUpdate;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;

/// What a user of a running platform sees: from the prompt's acknowledgement to the first token,
/// and tokens per second of a lone generation, through Kafka.
///
/// `PromptLatency BOOTSTRAP MODEL [prompts] [tokens]`
public final class PromptLatency {

    private PromptLatency() {}

    public static void main(String[] arguments) {
        String bootstrap = arguments[0];
        String model = arguments[1];
        int prompts = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 50;
        int tokens = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 200;
        try (TokenlogClient client =
                TokenlogClient.connect(Map.of("bootstrap.servers", bootstrap), "")) {
            for (int i = 0; i < 5; i++) {
                ask(client, model, tokens);
            }
            long[] firsts = new long[prompts];
            double tokenSum = 0;
            double nanoSum = 0;
            for (int i = 0; i < prompts; i++) {
                Answer answer = ask(client, model, tokens);
                firsts[i] = answer.firstNanos();
                tokenSum += answer.tokens() - 1;
                nanoSum += answer.totalNanos() - answer.firstNanos();
            }
            Latencies first = Latencies.of(firsts);
            System.out.printf(
                    Locale.ROOT,
                    "%d prompts, one after the other: first token p50 %.1f ms, p99 %.1f ms;"
                            + " decode %.0f tokens/s through the log%n",
                    prompts,
                    first.quantile(0.5),
                    first.quantile(0.99),
                    tokenSum / (nanoSum / 1e9));
        }
    }

    private record Answer(long firstNanos, long totalNanos, int tokens) {}

    private static Answer ask(TokenlogClient client, String model, int tokens) {
        PromptSubmitted prompt =
                PromptSubmitted.ofText(model, "Once upon a time")
                        .maxTokens(tokens)
                        .temperature(0.8)
                        .build();
        GenerationHandle handle = client.submit(prompt);
        long begin = System.nanoTime();
        long[] first = {0};
        int[] count = {0};
        try (GenerationStream stream = client.stream(handle)) {
            stream.forEach(
                    Duration.ofSeconds(30),
                    update -> {
                        if (update instanceof GenerationUpdate.Tokens made) {
                            first[0] = first[0] == 0 ? System.nanoTime() : first[0];
                            count[0] += made.tokenIds().size();
                        }
                    });
        }
        return new Answer(first[0] - begin, System.nanoTime() - begin, count[0]);
    }
}
