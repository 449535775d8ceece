package dev.tokenlog.standalone;

import dev.tokenlog.client.LocalPlatform;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.transformer.KvBudget;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/// What can be chosen at the start of a platform. The same names as `tokenlog up`.
final class PlatformOptions {

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Data folder (default: $$TOKENLOG_HOME, else the XDG data folder).")
    Path data;

    @Option(
            names = "--bootstrap",
            paramLabel = "HOST:PORT",
            description = "Use this Kafka in place of the embedded broker.")
    String bootstrap;

    @Option(
            names = "--properties",
            paramLabel = "FILE",
            description = "Kafka client settings for --bootstrap: TLS, SASL.")
    Path properties;

    @Option(
            names = "--port",
            defaultValue = "9092",
            description = "Port of the embedded broker; 0 picks a free one (default: 9092).")
    int port;

    @Option(
            names = "--http-port",
            defaultValue = "0",
            description = "Port of the health page; 0 picks a free one (default: 0).")
    int httpPort;

    @Option(
            names = "--topic-prefix",
            defaultValue = "",
            description = "What all topic names begin with (default: nothing).")
    String topicPrefix;

    @Option(
            names = "--partitions",
            defaultValue = "4",
            description = "Partitions of prompts and tokens where they are created (default: 4).")
    int partitions;

    @Option(
            names = "--replication",
            defaultValue = "1",
            description = "Copies of every partition where topics are created (default: 1).")
    short replication;

    @Option(
            names = "--kv",
            paramLabel = "TYPE",
            description = "Keys and values in 8, 16 or 32 bit: kv8, kv16, kv32 (default: kv16).")
    String kv;

    @Option(
            names = "--kv-budget",
            paramLabel = "SIZE",
            description =
                    "Memory for keys and values of each loaded model, such as 800M or 2G (default: a"
                            + " quarter of the machine's).")
    String kvBudget;

    @Option(
            names = "--end-with-input",
            hidden = true,
            description = "End when standard input closes, as a child process does.")
    boolean endWithInput;

    /// What is wrong with the values, in words; empty if nothing is.
    Optional<String> mistake() {
        return port("--port", port)
                .or(() -> port("--http-port", httpPort))
                .or(() -> atLeastOne("--partitions", partitions))
                .or(() -> atLeastOne("--replication", replication))
                .or(this::prefix)
                .or(this::keysAndValues);
    }

    private static Optional<String> port(String option, int value) {
        return value >= 0 && value <= 65535
                ? Optional.empty()
                : Optional.of("%s %d: expected 0 to 65535".formatted(option, value));
    }

    private static Optional<String> atLeastOne(String option, int value) {
        return value >= 1
                ? Optional.empty()
                : Optional.of("%s %d: expected at least 1".formatted(option, value));
    }

    private Optional<String> prefix() {
        return topicPrefix.matches("[A-Za-z0-9._-]{0,200}")
                ? Optional.empty()
                : Optional.of(
                        "--topic-prefix '%s': expected letters, digits, '.', '_' and '-'"
                                .formatted(topicPrefix));
    }

    private Optional<String> keysAndValues() {
        try {
            if (kv != null) {
                KvType.of(kv);
            }
            if (kvBudget != null) {
                KvBudget.bytes(kvBudget);
            }
            return Optional.empty();
        } catch (EngineException e) {
            return Optional.of(e.getMessage());
        }
    }

    Path dataFolder() {
        return data != null
                ? data
                : LocalPlatform.home(System.getenv(), Path.of(System.getProperty("user.home")));
    }
}
