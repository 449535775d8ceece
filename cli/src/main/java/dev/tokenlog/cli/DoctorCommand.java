package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.hub.HubSettings;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicException;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.KernelProbe;
import dev.tokenlog.engine.compute.KernelProbes;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "doctor",
        description =
                "What works on this machine, what does not, and the remedy. Exit status 3 if the platform"
                        + " cannot run here.")
final class DoctorCommand implements Callable<Integer> {

    /// A platform with its broker, its processors and the bundled model.
    private static final long NEEDED_MEMORY = 2L << 30;

    private static final long NEEDED_DISK = 1L << 30;

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    private enum State {
        OK,
        NOTE,
        BAD
    }

    /// @param remedy empty where there is nothing to do
    private record Finding(String subject, State state, String detail, String remedy) {}

    private final List<Finding> findings = new ArrayList<>();

    @Override
    public Integer call() {
        jdk();
        compute();
        tokenizer();
        memory();
        dataFolder();
        hub();
        broker();
        report();
        boolean bad = findings.stream().anyMatch(finding -> finding.state() == State.BAD);
        return bad ? ExitStatus.ENVIRONMENT : ExitStatus.DONE;
    }

    private void jdk() {
        int feature = Runtime.version().feature();
        add(
                "JDK",
                feature >= 25 ? State.OK : State.BAD,
                "%s in %s".formatted(Runtime.version(), System.getProperty("java.home")),
                feature >= 25 ? "" : "install a JDK 25 or newer");
    }

    private void compute() {
        boolean chosen = false;
        for (KernelProbe probe : KernelProbes.all()) {
            switch (probe) {
                case KernelProbe.Usable usable -> {
                    add(
                            "kernels " + usable.name(),
                            State.OK,
                            usable.detail() + (chosen ? "" : "; chosen automatically"),
                            "");
                    chosen = true;
                }
                case KernelProbe.Unusable unusable ->
                        add(
                                "kernels " + unusable.name(),
                                State.NOTE,
                                unusable.reason(),
                                unusable.remedy());
            }
        }
        if (!chosen) {
            add("kernels", State.BAD, "none can be used", "see the lines above");
        }
        add("GPU", State.NOTE, "this version computes on the CPU alone", "");
    }

    private void tokenizer() {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(Installation.demoModel())) {
            add(
                    "tokenizer",
                    State.OK,
                    "native library loads; the bundled model has %d tokens"
                            .formatted(tokenizer.vocabularySize()),
                    "");
        } catch (EngineException | CommandFailure e) {
            add(
                    "tokenizer",
                    State.BAD,
                    e.getMessage(),
                    "use a platform that DJL tokenizers support");
        }
    }

    private void memory() {
        long bytes =
                ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class)
                        .getTotalMemorySize();
        boolean enough = bytes >= NEEDED_MEMORY;
        add(
                "memory",
                enough ? State.OK : State.NOTE,
                "%d MiB, %d processors"
                        .formatted(bytes >> 20, Runtime.getRuntime().availableProcessors()),
                enough ? "" : "the whole platform wants 2 GiB: run its parts on several machines");
    }

    private void dataFolder() {
        Path folder = ConnectionOptions.dataFolder(null);
        Path existing = folder;
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        try {
            if (existing == null || !Files.isDirectory(existing) || !Files.isWritable(existing)) {
                add(
                        "data folder",
                        State.BAD,
                        folder + " cannot be written",
                        "set TOKENLOG_HOME to a folder that can");
                return;
            }
            long free = Files.getFileStore(existing).getUsableSpace();
            boolean enough = free >= NEEDED_DISK;
            add(
                    "data folder",
                    enough ? State.OK : State.NOTE,
                    "%s, %,d MiB free".formatted(folder, free >> 20),
                    enough ? "" : "free some space, or set TOKENLOG_HOME");
        } catch (IOException e) {
            add("data folder", State.BAD, folder + ": " + e.getMessage(), "set TOKENLOG_HOME");
        }
    }

    /// The hub's settings of this environment; a platform that was started elsewhere has its own.
    private void hub() {
        try {
            HubSettings hub = HubOptions.settings(common);
            add(
                    "hub",
                    State.OK,
                    "%s, %s"
                            .formatted(
                                    hub.endpoint(),
                                    hub.offline() ? "offline (HF_HUB_OFFLINE)" : "online"),
                    "");
            add(
                    "hub token",
                    hub.token().isPresent() ? State.OK : State.NOTE,
                    hub.token().map(token -> "present, of " + token.origin()).orElse("none"),
                    hub.token().isPresent() ? "" : "for gated models set HF_TOKEN");
            add(
                    "hub cache",
                    State.OK,
                    hub.cache() + (Files.isDirectory(hub.cache()) ? "" : ", not made yet"),
                    "");
        } catch (EngineException e) {
            add(
                    "hub",
                    State.NOTE,
                    e.getMessage(),
                    "models of the hub cannot be downloaded until then");
        }
    }

    private void broker() {
        String where = connection.target().bootstrapServers();
        try (TopicAdmin admin =
                TopicAdmin.connect(
                        connection.reachableTarget().kafka(),
                        connection.target().topicPrefix(),
                        connection.callTimeout())) {
            List<TopicException.Problem> problems = admin.check(OptionalInt.empty());
            add("broker", State.OK, where + " answers", "");
            if (problems.isEmpty()) {
                add("topics", State.OK, "all there, as they should be", "");
            } else {
                add(
                        "topics",
                        State.NOTE,
                        "%d problems, the first: %s"
                                .formatted(problems.size(), problems.getFirst()),
                        "'tokenlog topics' creates and checks them");
            }
        } catch (CommandFailure | TopicException | TokenlogException e) {
            add("broker", State.NOTE, e.getMessage(), "'tokenlog up' starts one");
        }
    }

    private void add(String subject, State state, String detail, String remedy) {
        findings.add(new Finding(subject, state, Terminal.oneLine(detail), remedy));
    }

    private void report() {
        Terminal terminal = common.terminal();
        if (output.json) {
            ArrayNode list = Json.object().putArray("findings");
            for (Finding each : findings) {
                ObjectNode node = list.addObject().put("subject", each.subject());
                node.put("state", each.state().name().toLowerCase(java.util.Locale.ROOT));
                node.put("detail", each.detail());
                if (!each.remedy().isEmpty()) {
                    node.put("remedy", each.remedy());
                }
            }
            terminal.line(Json.text(Json.object().set("findings", list)));
            return;
        }
        for (Finding each : findings) {
            String mark =
                    switch (each.state()) {
                        case OK -> terminal.green("ok  ");
                        case NOTE -> "note";
                        case BAD -> terminal.red("BAD ");
                    };
            terminal.line(
                    "%s  %-16s %s%s"
                            .formatted(
                                    mark,
                                    each.subject(),
                                    each.detail(),
                                    each.remedy().isEmpty() ? "" : "  -> " + each.remedy()));
        }
    }
}
