package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressTest {

    private final ByteArrayOutputStream written = new ByteArrayOutputStream();
    private final AtomicLong clock = new AtomicLong();

    @Test
    void onATerminalOneLineIsDrawnOver() {
        try (Progress progress = new Progress(terminal(true), "convert", clock::get)) {
            progress.show(1, 4, "a rather long name");
            clock.set(1000);
            progress.show(2, 4, "b");
        }
        assertThat(List.of(text().strip().split("\r")))
                .hasSize(2)
                .last()
                .asString()
                .contains("50 %")
                .contains("1.0 s left");
        assertThat(text()).endsWith("\n");
    }

    @Test
    void elsewhereALineNowAndThenAndAlwaysTheLast() {
        try (Progress progress = new Progress(terminal(false), "convert", clock::get)) {
            for (int i = 1; i <= 100; i++) {
                clock.addAndGet(10);
                progress.show(i, 100, "t" + i);
            }
        }
        assertThat(text()).doesNotContain("\r");
        assertThat(text().lines()).hasSize(2).last().asString().contains("100 %");
    }

    @Test
    void aModelCannotSteerTheTerminal() {
        assertThat(Terminal.printable("a\u001b[2J\u0007b\n\tc\u009b")).isEqualTo("a[2Jb\n\tc");
    }

    private Terminal terminal(boolean errIsTerminal) {
        PrintStream stream = new PrintStream(written, true, StandardCharsets.UTF_8);
        return new Terminal(stream, stream, false, errIsTerminal, false);
    }

    private String text() {
        return written.toString(StandardCharsets.UTF_8);
    }
}
