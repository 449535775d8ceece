package dev.tokenlog.embeddedkafka;

import java.util.Properties;

/// The same broker as [EmbeddedKafka], in this JVM: the quickest for tests. A signal to this JVM
/// ends it uncleanly, so a product starts [EmbeddedKafka] instead.
public final class InProcessKafka implements AutoCloseable {

    private final BrokerServer server;
    private final String bootstrapServers;

    private InProcessKafka(BrokerServer server, String bootstrapServers) {
        this.server = server;
        this.bootstrapServers = bootstrapServers;
    }

    /// Returns when the broker takes requests.
    ///
    /// @throws EmbeddedKafkaException if it does not start
    public static InProcessKafka start(EmbeddedKafkaOptions options) {
        DataFolder folder = new DataFolder(options.dataDir());
        folder.prepare();
        int[] ports = FreePorts.pick(options.port());
        Properties settings = BrokerSettings.of(folder.logDir(), ports[0], ports[1], options);
        return new InProcessKafka(
                BrokerServer.start(folder, settings), BrokerSettings.HOST + ":" + ports[0]);
    }

    public String bootstrapServers() {
        return bootstrapServers;
    }

    @Override
    public void close() {
        server.close();
    }
}
