package dev.tokenlog.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/// A program that shares nothing with this one judges a dump of the token topic, which `kcat` has
/// made where it is installed: then even the client that has read is another one.
final class OtherJudge {

    private static final String TOPIC = "tokens";

    private final ChaosOptions options;
    private final RunLog log;

    OtherJudge(ChaosOptions options, RunLog log) {
        this.options = options;
        this.log = log;
    }

    /// @param tokens the topic as our own reader has seen it
    /// @return the judge's last line
    String judge(String bootstrap, RawLog tokens) throws IOException, InterruptedException {
        Path dump = options.folder().resolve(TOPIC + ".jsonl");
        boolean byKcat = kcat(bootstrap, dump);
        if (byKcat) {
            compare(dump, tokens);
        } else {
            tokens.writeTo(dump, TOPIC);
        }
        if (options.judge() == null) {
            return "none given";
        }
        Process process =
                new ProcessBuilder(options.judge().toString(), dump.toString())
                        .redirectErrorStream(true)
                        .start();
        String said = new String(process.getInputStream().readAllBytes()).strip();
        if (process.waitFor() != 0) {
            log.violation(new Violation("judge", options.judge().getFileName().toString(), said));
        }
        String last = said.lines().reduce((_, line) -> line).orElse("said nothing");
        return last + (byKcat ? " (dump by kcat)" : " (dump by our own reader)");
    }

    /// Whether it is there and has read the topic.
    private boolean kcat(String bootstrap, Path dump) throws InterruptedException {
        List<String> command =
                List.of(
                        "kcat",
                        "-C",
                        "-b",
                        bootstrap,
                        "-t",
                        TOPIC,
                        "-o",
                        "beginning",
                        "-e",
                        "-q",
                        "-J");
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectOutput(dump.toFile())
                            .redirectError(options.folder().resolve("logs/kcat.log").toFile())
                            .start();
            boolean read = process.waitFor() == 0;
            if (!read) {
                log.event("kcat ended with status %d", process.exitValue());
            }
            return read;
        } catch (IOException e) {
            log.event("no dump by kcat: %s", e.getMessage());
            return false;
        }
    }

    /// Two clients that share nothing have to see the same number of records.
    private void compare(Path dump, RawLog tokens) throws IOException {
        try (Stream<String> lines = Files.lines(dump)) {
            long records = lines.count();
            if (records != tokens.entries().size()) {
                log.violation(
                        new Violation(
                                "whole",
                                TOPIC,
                                "kcat reads %d records, our reader %d"
                                        .formatted(records, tokens.entries().size())));
            }
        }
    }
}
