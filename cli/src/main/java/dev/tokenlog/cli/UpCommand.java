package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.LocalPlatform;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "up",
        description =
                "The whole platform in one process, with a Kafka broker as its child, until Ctrl-C.")
final class UpCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Data folder (default: $$TOKENLOG_HOME, else the XDG data folder).")
    private Path data;

    @Option(
            names = "--port",
            paramLabel = "PORT",
            defaultValue = "9092",
            description = "Port of the embedded broker; 0 picks a free one (default: 9092).")
    private int port;

    @Option(
            names = "--http-port",
            paramLabel = "PORT",
            defaultValue = "0",
            description = "Port of the health page; 0 picks a free one (default: 0).")
    private int httpPort;

    @Option(
            names = "--bootstrap",
            paramLabel = "HOST:PORT",
            description = "Use this Kafka in place of the embedded broker.")
    private String bootstrap;

    @Option(
            names = "--properties",
            paramLabel = "FILE",
            description = "Kafka client settings for --bootstrap: TLS, SASL.")
    private Path properties;

    @Option(
            names = "--topic-prefix",
            paramLabel = "TEXT",
            description = "What all topic names begin with.")
    private String topicPrefix;

    @Option(
            names = "--partitions",
            paramLabel = "N",
            description = "Partitions of prompts and tokens where they are created (default: 4).")
    private Integer partitions;

    @Option(
            names = "--replication",
            paramLabel = "N",
            description = "Copies of every partition where topics are created (default: 1).")
    private Integer replication;

    @Option(
            names = "--kv",
            paramLabel = "TYPE",
            description = "Keys and values in 8, 16 or 32 bit: kv8, kv16, kv32 (default: kv16).")
    private String kv;

    @Option(
            names = "--kv-budget",
            paramLabel = "SIZE",
            description =
                    "Memory for keys and values of each loaded model, such as 800M or 2G (default: a"
                            + " quarter of the machine's).")
    private String kvBudget;

    @Override
    public Integer call() {
        Path folder = ConnectionOptions.dataFolder(data);
        Terminal terminal = common.terminal();
        terminal.err("starting the platform on " + folder + " ...");
        try (StandaloneProcess platform =
                StandaloneProcess.start(folder, arguments(), List.of(), terminal)) {
            ready(platform.awaitReady(), folder);
            return platform.waitFor();
        }
    }

    private List<String> arguments() {
        List<String> arguments = new ArrayList<>();
        arguments.add("--port=" + port);
        arguments.add("--http-port=" + httpPort);
        add(arguments, "--bootstrap", bootstrap);
        add(arguments, "--properties", properties == null ? null : properties.toAbsolutePath());
        add(arguments, "--topic-prefix", topicPrefix);
        add(arguments, "--partitions", partitions);
        add(arguments, "--replication", replication);
        add(arguments, "--kv", kv);
        add(arguments, "--kv-budget", kvBudget);
        return arguments;
    }

    private static void add(List<String> arguments, String name, Object value) {
        if (value != null) {
            arguments.add(name + "=" + value);
        }
    }

    private void ready(LocalPlatform platform, Path folder) {
        Terminal terminal = common.terminal();
        if (output.json) {
            ObjectNode node = Json.object().put("status", "ready");
            node.put("bootstrap", platform.bootstrapServers());
            node.put("topic_prefix", platform.topicPrefix());
            node.put("url", platform.url());
            node.put("compute", platform.compute());
            node.put("data", folder.toString()).put("process_id", platform.processId());
            terminal.line(Json.text(node));
            return;
        }
        terminal.line(terminal.bold("ready") + "  Kafka at " + platform.bootstrapServers());
        if (!platform.compute().isEmpty()) {
            terminal.line("       " + platform.compute());
        }
        terminal.line("       health " + platform.url() + "/q/health");
        terminal.line("       data and logs in " + folder);
        terminal.line("       Ctrl-C ends it; in another terminal: tokenlog convert demo");
    }
}
