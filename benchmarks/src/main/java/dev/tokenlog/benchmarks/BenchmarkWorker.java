package dev.tokenlog.benchmarks;

import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.engine.artifact.Model;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// A real inference worker in a process of its own, on a broker without the other processors: what
/// the registry would tell it, [#serve] does. Options: `--threads`, `--worker JAR`, `--set
/// key=value,…` for its configuration, `--jvm option,…`.
final class BenchmarkWorker implements AutoCloseable {

    private static final Duration END = Duration.ofSeconds(20);

    private final Process process;
    private final Path log;

    private BenchmarkWorker(Process process, Path log) {
        this.process = process;
        this.log = log;
    }

    /// Tells workers that they may answer prompts with this model under this name.
    ///
    /// @param numericsId may be null
    static void serve(
            Map<String, Object> settings, String modelId, Model model, String numericsId) {
        ModelServing.Version version =
                new ModelServing.Version(
                        model.digest().orElseThrow(),
                        ModelServing.State.SERVING,
                        Verdict.PASS,
                        null,
                        numericsId,
                        model.folder().toAbsolutePath().toString(),
                        null,
                        "llama",
                        "int4",
                        4.5,
                        1,
                        model.plan().contextLength(),
                        null);
        ModelServing serving =
                new ModelServing(modelId, ModelServing.State.SERVING, version, List.of(version));
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(
                        settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            ProducerRecord<byte[], byte[]> record =
                    new ProducerRecord<>(
                            Topic.MODEL_REGISTRY.name(""),
                            0,
                            modelId.getBytes(StandardCharsets.UTF_8),
                            EventJson.write(serving));
            EventHeaders.describe(serving, record.headers());
            producer.send(record);
        }
    }

    /// @param data its folder; the log is `worker-N.log` there
    /// @param more properties beside those of `--set`
    static BenchmarkWorker start(
            Map<String, String> options, String bootstrap, Path data, List<String> more)
            throws IOException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "--add-modules=jdk.incubator.vector",
                                "--enable-native-access=ALL-UNNAMED",
                                "-Dkafka.bootstrap.servers=" + bootstrap,
                                "-Dtokenlog.data=" + data,
                                "-Dtokenlog.artifacts=" + data.resolve("artifacts"),
                                "-Dtokenlog.inference.threads="
                                        + BenchmarkModels.number(options, "threads", 2),
                                "-Dquarkus.http.port=0"));
        command.addAll(listed(options, "jvm"));
        listed(options, "set").forEach(setting -> command.add("-D" + setting));
        command.addAll(more);
        command.addAll(
                List.of(
                        "-jar",
                        options.getOrDefault(
                                "worker",
                                "inference-processor/target/quarkus-app/quarkus-run.jar")));
        Path log = Files.createTempFile(data, "worker-", ".log");
        System.out.println("the worker's log: " + log);
        return new BenchmarkWorker(
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start(),
                log);
    }

    private static List<String> listed(Map<String, String> options, String name) {
        String all = options.getOrDefault(name, "");
        return all.isEmpty() ? List.of() : List.of(all.split(","));
    }

    ProcessHandle handle() {
        return process.toHandle();
    }

    /// What it has written so far.
    String log() throws IOException {
        return Files.readString(log);
    }

    void requireAlive() throws IOException {
        if (!process.isAlive()) {
            throw new IllegalStateException("the worker has ended:\n" + log());
        }
    }

    /// kill -9.
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /// Ends it as an operator would, and waits.
    @Override
    public void close() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(END.toSeconds(), TimeUnit.SECONDS)) {
            kill();
        }
    }

    /// Processor time of a process so far.
    static Duration processorTime(ProcessHandle process) {
        return process.info().totalCpuDuration().orElse(Duration.ZERO);
    }
}
