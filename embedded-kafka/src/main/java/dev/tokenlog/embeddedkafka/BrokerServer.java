package dev.tokenlog.embeddedkafka;

import dev.tokenlog.embeddedkafka.EmbeddedKafkaException.Reason;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.Feature;
import org.apache.kafka.server.common.MetadataVersion;

/// Kafka's own server in this JVM, from its settings to its last byte on disk. [InProcessKafka] and
/// [BrokerProcess] both run this.
final class BrokerServer implements AutoCloseable {

    private final KafkaRaftServer server;
    private final FileLock lock;

    private BrokerServer(KafkaRaftServer server, FileLock lock) {
        this.server = server;
        this.lock = lock;
    }

    /// Returns when the broker is registered and takes requests.
    ///
    /// @throws EmbeddedKafkaException if it does not start
    static BrokerServer start(DataFolder folder, Properties settings) {
        FileLock lock = folder.lock();
        try {
            Properties kafka = new Properties();
            kafka.putAll(settings);
            String users = (String) kafka.remove(BrokerSecurity.SCRAM_SETTING);
            formatIfEmpty(
                    folder.logDir(), kafka, users == null ? List.of() : users.lines().toList());
            KafkaRaftServer server =
                    new KafkaRaftServer(KafkaConfig.fromProps(kafka, false), Time.SYSTEM);
            server.startup();
            return new BrokerServer(server, lock);
        } catch (RuntimeException e) {
            DataFolder.release(lock);
            throw failure(e);
        }
    }

    @Override
    public void close() {
        server.shutdown();
        server.awaitShutdown();
        DataFolder.release(lock);
    }

    /// @param users who is known to the cluster from its first moment
    private static void formatIfEmpty(Path logDir, Properties settings, List<String> users) {
        if (Files.exists(logDir.resolve("meta.properties"))) {
            return;
        }
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        Formatter formatter =
                new Formatter()
                        .setPrintStream(new PrintStream(said, true, StandardCharsets.UTF_8))
                        .setSupportedFeatures(Feature.PRODUCTION_FEATURES)
                        .setNodeId(Integer.parseInt(settings.getProperty("node.id")))
                        .setClusterId(
                                settings.getProperty(
                                        BrokerSettings.CLUSTER_ID, Uuid.randomUuid().toString()))
                        .setReleaseVersion(MetadataVersion.LATEST_PRODUCTION)
                        .setControllerListenerName(BrokerSettings.CONTROLLER_LISTENER)
                        .setMetadataLogDirectory(logDir.toString())
                        .addDirectory(logDir.toString())
                        .setScramArguments(users);
        try {
            formatter.run();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) { // the method's own signature
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED,
                    "the broker's folder %s could not be formatted: %s".formatted(logDir, e),
                    e);
        }
    }

    private static EmbeddedKafkaException failure(RuntimeException e) {
        if (e instanceof EmbeddedKafkaException typed) {
            return typed;
        }
        for (Throwable t = e; t != null; t = t.getCause()) {
            if (t instanceof java.net.BindException
                    || String.valueOf(t.getMessage()).contains("Address already in use")) {
                return new EmbeddedKafkaException(
                        Reason.PORT_IN_USE, "the broker's port is in use: " + t.getMessage(), e);
            }
        }
        return new EmbeddedKafkaException(
                Reason.START_FAILED, "the broker did not start: " + e.getMessage(), e);
    }
}
