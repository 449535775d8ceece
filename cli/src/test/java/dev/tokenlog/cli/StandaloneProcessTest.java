package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class StandaloneProcessTest {

    @Test
    void whyThePlatformDidNotStartIsNotLostInWhatComesAfterwards() {
        assertThat(
                        StandaloneProcess.reason(
                                List.of(
                                        "12:00 WARN disconnected",
                                        "tokenlog: the port is taken",
                                        "12:01 WARN disconnected")))
                .contains("the port is taken");
        assertThat(StandaloneProcess.reason(List.of("Error: no JVM"))).contains("Error: no JVM");
        assertThat(StandaloneProcess.reason(List.of())).isEmpty();
    }
}
