package dev.tokenlog.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The harness is a program of its own, because it has a Kafka server on its class path.
@Command(
        name = "chaos",
        description = {
            "Kills, pauses and crashes the platform's processes on three brokers by a schedule that"
                    + " the seed makes, and judges whether every reader still sees the complete"
                    + " answer of an undisturbed run.",
            "Exit status 0: all invariants hold; 1: a violation, printed; its logs are kept."
        })
final class ChaosCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;

    @Option(
            names = "--kills",
            paramLabel = "N",
            defaultValue = "20",
            description = "Processes that die (default: 20); 0: only hand-overs are measured.")
    private int kills;

    @Option(
            names = "--seed",
            paramLabel = "S",
            description =
                    "Makes the schedule and the prompts; the same seed, the same schedule (default: a"
                            + " new one, printed).")
    private Long seed;

    @Option(
            names = "--generations",
            paramLabel = "G",
            defaultValue = "50",
            description = "Generations at least, at temperature 0.8 (default: 50).")
    private int generations;

    @Option(
            names = "--hand-overs",
            paramLabel = "N",
            defaultValue = "4",
            description =
                    "Workers that leave, and that are killed, while pauses of streams are measured"
                            + " (default: 4).")
    private int handOvers;

    @Option(
            names = "--streams",
            paramLabel = "N",
            defaultValue = "3",
            description = "Generations in flight while hand-overs are measured (default: 3).")
    private int streams;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description =
                    "Keeps logs and dumps here (default: a temporary folder, kept on failure).")
    private Path data;

    @Option(
            names = "--judge",
            paramLabel = "PROGRAM",
            description =
                    "Another judge: gets the file of the token topic, one JSON object a line as"
                            + " 'kcat -J' prints them, and ends with 0 if all is well.")
    private Path judge;

    @Option(
            names = "--worker",
            paramLabel = "KEY=VALUE",
            description =
                    "A property of the workers whose hand-overs are measured, for instance another"
                            + " group protocol; may be repeated.")
    private List<String> worker = List.of();

    @Option(names = "--plan", description = "Print the schedule and do nothing.")
    private boolean plan;

    @Override
    public Integer call() throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-Dtokenlog.root=" + Installation.root(),
                        "-jar",
                        Installation.chaosJar().toString(),
                        "--kills=" + kills,
                        "--generations=" + generations,
                        "--hand-overs=" + handOvers,
                        "--streams=" + streams));
        add(command, "--seed=", seed);
        add(command, "--data=", data == null ? null : data.toAbsolutePath());
        worker.forEach(property -> command.add("--worker=" + property));
        add(command, "--judge=", judge == null ? null : judge.toAbsolutePath());
        if (plan) {
            command.add("--plan");
        }
        if (output.json) {
            command.add("--json");
        }
        Process process = new ProcessBuilder(command).inheritIO().start();
        // Its children end with it.
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroy, "chaos-end"));
        try {
            return process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return ExitStatus.INTERRUPTED;
        }
    }

    private static void add(List<String> command, String option, Object value) {
        if (value != null) {
            command.add(option + value);
        }
    }
}
