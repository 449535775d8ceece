package dev.tokenlog.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "chaos",
        mixinStandardHelpOptions = true,
        description = "Kills the platform's processes by a schedule and judges what readers see.")
final class ChaosCommand implements Callable<Integer> {

    private static final int NO = 1;
    private static final int USAGE = 2;
    private static final int ENVIRONMENT = 3;

    @Option(names = "--kills", paramLabel = "N", defaultValue = "20")
    private int kills;

    @Option(names = "--seed", paramLabel = "S")
    private Long seed;

    @Option(names = "--generations", paramLabel = "G", defaultValue = "50")
    private int generations;

    @Option(names = "--hand-overs", paramLabel = "N", defaultValue = "4")
    private int handOvers;

    @Option(names = "--streams", paramLabel = "N", defaultValue = "3")
    private int streams;

    @Option(names = "--data", paramLabel = "DIR")
    private Path data;

    @Option(names = "--judge", paramLabel = "PROGRAM")
    private Path judge;

    @Option(names = "--worker", paramLabel = "KEY=VALUE")
    private List<String> worker = List.of();

    @Option(names = "--plan")
    private boolean plan;

    @Option(names = "--json")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        boolean enough = kills == 0 ? handOvers > 0 : kills >= 5;
        if (!enough || generations < 1 || handOvers < 0 || streams < 1) {
            System.err.println(
                    "tokenlog: --kills must be at least 5, or 0 to measure hand-overs alone, --generations and --streams at least 1, --hand-overs at least 0");
            return USAGE;
        }
        long chosen = seed == null ? new Random().nextInt(Integer.MAX_VALUE) : seed;
        Schedule schedule = kills == 0 ? Schedule.none(chosen) : Schedule.of(chosen, kills);
        if (plan) {
            SchedulePrinter.print(schedule, System.out);
            return 0;
        }
        if (!Files.isDirectory(Path.of("/proc/self"))) {
            System.err.println("tokenlog: chaos needs Linux: it reads /proc and sends signals");
            return ENVIRONMENT;
        }
        Path folder = data == null ? Files.createTempDirectory("tokenlog-chaos") : data;
        System.err.printf("seed %d, everything is written to %s%n", chosen, folder);
        ChaosOptions options =
                new ChaosOptions(
                        kills,
                        chosen,
                        generations,
                        handOvers,
                        streams,
                        folder.toAbsolutePath(),
                        root(),
                        judge == null ? null : judge.toAbsolutePath(),
                        List.copyOf(worker));
        Report report = new ChaosRun(options, schedule, new RunLog(System.err)).run();
        System.out.print(json ? report.json() + "\n" : report.text());
        if (!report.violations().isEmpty()) {
            return NO;
        }
        if (data == null) {
            delete(folder);
        }
        return 0;
    }

    private static Path root() {
        String said = System.getProperty("tokenlog.root");
        if (said == null) {
            throw new IllegalStateException("tokenlog.root is not set: start this by ./tokenlog");
        }
        return Path.of(said);
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
