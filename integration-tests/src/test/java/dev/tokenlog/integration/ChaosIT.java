package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A short chaos run by the command line: real processes die, and every reader still sees the
/// answers of an undisturbed run.
class ChaosIT {

    private static final int KILLS = 20;
    private static final long SEED = 42;

    /// It takes one to three minutes; where it takes longer, that is no failure.
    private static final Duration PATIENCE = Duration.ofMinutes(20);

    @TempDir private Path folder;

    @Test
    void everyPromiseHoldsUnderTwentyKills() throws Exception {
        Needs.that(
                "linux",
                Files.isDirectory(Path.of("/proc/self")),
                "needs Linux: the harness sends signals and reads /proc");
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "chaos",
                                "--kills",
                                Integer.toString(KILLS),
                                "--seed",
                                Long.toString(SEED),
                                "--generations",
                                "40",
                                "--hand-overs",
                                "0",
                                "--json",
                                "--data",
                                folder.resolve("chaos").toString()));
        if (Checkout.hasShared("tools/check-stream")) {
            arguments.addAll(List.of("--judge", Checkout.shared("tools/check-stream").toString()));
        }
        System.out.println("./tokenlog " + String.join(" ", arguments));
        CommandLine.Result result =
                CommandLine.tokenlog(folder, PATIENCE, arguments.toArray(String[]::new));

        assertThat(result.status()).as(result.toString()).isZero();
        JsonNode report = new ObjectMapper().readTree(result.out());
        assertThat(report.path("seed").asLong()).isEqualTo(SEED);
        assertThat(report.path("kills").asInt()).isGreaterThanOrEqualTo(KILLS);
        assertThat(report.path("generations").asInt()).isGreaterThanOrEqualTo(40);
        assertThat(report.path("resumptions").asInt()).as("generations that moved").isPositive();
        assertThat(report.path("halt_points").size()).isPositive();
        assertThat(report.path("violations")).isEmpty();
    }

    @Test
    void theSameSeedMakesTheSameSchedule() {
        assertThat(plan("7")).isEqualTo(plan("7")).isNotEqualTo(plan("8"));
    }

    private String plan(String seed) {
        CommandLine.Result result =
                CommandLine.tokenlog(folder, "chaos", "--plan", "--kills", "200", "--seed", seed);
        assertThat(result.status()).as(result.toString()).isZero();
        return result.out();
    }
}
