package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// An independent client (librdkafka), whose partitioner hashes keys differently from Java's, sends
/// prompts and reads tokens.
class KcatIT {

    @TempDir private Path folder;

    @Test
    void kcatAsksAndReads() throws Exception {
        Needs.that("kcat", hasKcat(), "needs kcat, the Kafka command line (Debian package kcat)");
        try (Platform platform = Platform.start(folder.resolve("data"))) {
            DemoModel.convert(platform, "demo", 8);
            List<String> lines = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                lines.add(
                        "conversation-%d\t{\"generation_id\":\"kcat-%d\",\"model_id\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"What is a partition?\"}],\"max_tokens\":40,\"temperature\":0}"
                                .formatted(i, i));
            }
            Path input = Files.write(folder.resolve("prompts.txt"), lines);
            kcat(
                    platform,
                    "-P",
                    "-t",
                    "prompts",
                    "-K",
                    "\t",
                    "-X",
                    "partitioner=consistent_random",
                    "-l",
                    input.toString());
            await("six generations have ended")
                    .atMost(Duration.ofSeconds(60))
                    .until(() -> endedIn(kcatDump(platform)) == 6);

            List<String> dump = kcatDump(platform);
            Path file = Files.write(folder.resolve("dump.jsonl"), dump);
            if (Checkout.hasShared("tools/check-stream")) {
                CommandLine.Result verdict =
                        CommandLine.run(
                                folder,
                                Map.of(),
                                Duration.ofSeconds(30),
                                List.of(
                                        Checkout.shared("tools/check-stream").toString(),
                                        file.toString()));
                assertThat(verdict.status()).as(verdict.toString()).isZero();
            }
            Generations generations = Generations.of(TopicDump.of(platform.bootstrap(), "tokens"));
            String answer = generations.get("kcat-0").text.toString();
            assertThat(answer).containsIgnoringCase("partition");
            for (int i = 1; i < 6; i++) {
                assertThat(generations.get("kcat-" + i).text.toString()).isEqualTo(answer);
            }
        }
    }

    private List<String> kcatDump(Platform platform) {
        return kcat(platform, "-C", "-t", "tokens", "-o", "beginning", "-e", "-q", "-J")
                .lines()
                .toList();
    }

    private static long endedIn(List<String> dump) {
        return dump.stream()
                .filter(line ->
                        line.contains("GenerationFinished") || line.contains("GenerationFailed"))
                .count();
    }

    private String kcat(Platform platform, String... arguments) {
        List<String> command = new ArrayList<>(List.of("kcat", "-b", platform.bootstrap()));
        command.addAll(List.of(arguments));
        CommandLine.Result result =
                CommandLine.run(folder, Map.of(), Duration.ofSeconds(30), command);
        assertThat(result.status()).as(result.toString()).isZero();
        return result.out();
    }

    private static boolean hasKcat() {
        try {
            Process process = new ProcessBuilder("kcat", "-V").redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            return process.waitFor() == 0;
        } catch (IOException absent) {
            return false;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
