package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The main job, as a stranger runs it.
class DemoIT {

    @TempDir private Path folder;

    @Test
    void demoConvertsValidatesAnswersAndShowsTheTrail() {
        CommandLine.Result demo = CommandLine.tokenlog(folder, Duration.ofMinutes(3), "demo");

        assertThat(demo.status()).as(demo.toString()).isZero();
        String all = demo.out() + demo.err();
        assertThat(all)
                .contains("PASS")
                .contains("sha256-")
                .contains("conversion-events")
                .contains("model-registry")
                .contains("tokens")
                .contains("up --data")
                .doesNotContain("\tat ");
    }
}
