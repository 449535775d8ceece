package dev.tokenlog.chaos;

import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicLayout;
import dev.tokenlog.embeddedkafka.EmbeddedCluster;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/// Three brokers, and processors as processes of their own, in one folder.
final class Platform implements AutoCloseable {

    static final int PARTITIONS = 6;

    private static final Duration ADMIN_TIMEOUT = Duration.ofSeconds(60);

    enum Processor {
        INFERENCE("inference-processor", "384m"),
        CONVERSION("conversion-processor", "256m"),
        VALIDATION("validation-processor", "384m"),
        REGISTRY("registry-processor", "192m");

        private final String module;
        private final String heap;

        Processor(String module, String heap) {
            this.module = module;
            this.heap = heap;
        }

        Path runner(Path root) {
            return root.resolve(module).resolve("target/quarkus-app/quarkus-run.jar");
        }
    }

    private final Path root;
    private final Path folder;
    private final EmbeddedCluster cluster;
    private final Queue<Child> children = new ConcurrentLinkedQueue<>();
    private final AtomicInteger started = new AtomicInteger();
    private volatile boolean hasNativeKernels;

    private Platform(Path root, Path folder, EmbeddedCluster cluster) {
        this.root = root;
        this.folder = folder;
        this.cluster = cluster;
    }

    /// Brokers and topics; no processor yet.
    ///
    /// @param root of the installation
    /// @param folder for everything that is written
    static Platform start(Path root, Path folder) throws Exception {
        Files.createDirectories(folder.resolve("logs"));
        EmbeddedCluster cluster =
                EmbeddedCluster.start(folder.resolve("kafka"), Schedule.BROKERS, Map.of());
        Platform platform = new Platform(root, folder, cluster);
        Runtime.getRuntime().addShutdownHook(new Thread(platform::killAll, "chaos-end"));
        try (TopicAdmin topics =
                TopicAdmin.connect(
                        Map.of("bootstrap.servers", cluster.bootstrapServers()),
                        "",
                        ADMIN_TIMEOUT)) {
            topics.create(new TopicLayout(PARTITIONS, (short) Schedule.BROKERS));
        }
        return platform;
    }

    EmbeddedCluster cluster() {
        return cluster;
    }

    String bootstrap() {
        return cluster.bootstrapServers();
    }

    Path artifacts() {
        return folder.resolve("artifacts");
    }

    Path folder() {
        return folder;
    }

    /// Starts a process; returns before it is ready.
    ///
    /// @param properties `KEY=VALUE`
    Child start(Processor processor, Collection<String> properties) {
        return start(processor, bootstrap(), properties);
    }

    /// @param brokers as this process is to reach them
    Child start(Processor processor, String brokers, Collection<String> properties) {
        String name =
                "%03d-%s".formatted(started.incrementAndGet(), processor.module.split("-")[0]);
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-Xmx" + processor.heap,
                        "-XX:+UseSerialGC",
                        "-Xshare:auto",
                        "-XX:-CreateCoredumpOnCrash",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-Dkafka.bootstrap.servers=" + brokers,
                        "-Dtokenlog.data=" + folder.resolve("data"),
                        "-Dtokenlog.artifacts=" + artifacts(),
                        "-Dquarkus.http.port=0"));
        if (computesInJava(processor, properties)) {
            command.add("--add-modules=jdk.incubator.vector");
        } else {
            // Short lives: the second compiler would take most of a start's processor time. Without
            // it the Vector API is slower than plain loops by far, so it is left out as well.
            command.add("-XX:TieredStopAtLevel=1");
        }
        properties.forEach(property -> command.add("-D" + property));
        command.addAll(List.of("-jar", processor.runner(root).toString()));
        Child child = Child.start(name, command, folder.resolve("logs").resolve(name + ".log"));
        children.add(child);
        return child;
    }

    private boolean computesInJava(Processor processor, Collection<String> properties) {
        return switch (processor) {
            case REGISTRY -> false;
            case CONVERSION, VALIDATION -> true;
            case INFERENCE ->
                    !(hasNativeKernels
                            && properties.contains("tokenlog.compute=" + Schedule.AUTOMATIC));
        };
    }

    /// From now on workers that choose their kernels multiply in C, and do the rest in plain Java.
    void hasNativeKernels(boolean has) {
        hasNativeKernels = has;
    }

    int processesStarted() {
        return started.get();
    }

    /// Every processor ends; the brokers stay.
    void stopProcessors() throws InterruptedException {
        for (Child child : children) {
            if (child.isAlive()) {
                child.kill();
            }
        }
    }

    private void killAll() {
        for (Child child : children) {
            if (child.isAlive()) {
                child.signal("KILL");
            }
        }
        cluster.brokers().forEach(broker -> Signals.send(broker.processId(), "KILL"));
    }

    @Override
    public void close() throws InterruptedException {
        stopProcessors();
        cluster.close();
    }
}
