package dev.tokenlog.embeddedkafka;

import java.nio.file.Path;
import java.util.Properties;

/// The settings of a single node that is broker and controller at once, on the loopback interface.
final class BrokerSettings {

    static final String HOST = "127.0.0.1";
    static final int NODE_ID = 1;
    static final String CLIENT_LISTENER = "CLIENTS";
    static final String CONTROLLER_LISTENER = "CONTROLLER";
    static final String PROXIED_LISTENER = "PROXIED";

    /// The cluster that a member's folder is formatted for.
    static final String CLUSTER_ID = "tokenlog.cluster.id";

    private BrokerSettings() {}

    static Properties of(Path logDir, int port, int controllerPort, EmbeddedKafkaOptions options) {
        Properties p = new Properties();
        p.setProperty("process.roles", "broker,controller");
        p.setProperty("node.id", Integer.toString(NODE_ID));
        String clients = "%s://%s:%d".formatted(CLIENT_LISTENER, HOST, port);
        p.setProperty(
                "listeners",
                "%s,%s://%s:%d".formatted(clients, CONTROLLER_LISTENER, HOST, controllerPort));
        p.setProperty("advertised.listeners", clients);
        p.setProperty(
                "listener.security.protocol.map",
                "%s:PLAINTEXT,%s:PLAINTEXT".formatted(CLIENT_LISTENER, CONTROLLER_LISTENER));
        p.setProperty("inter.broker.listener.name", CLIENT_LISTENER);
        p.setProperty("controller.listener.names", CONTROLLER_LISTENER);
        p.setProperty(
                "controller.quorum.voters", "%d@%s:%d".formatted(NODE_ID, HOST, controllerPort));
        p.setProperty("log.dirs", logDir.toString());

        topics(p);
        groups(p);
        size(p);
        options.member().ifPresentOrElse(member -> member(p, member), () -> alone(p));
        options.security().ifPresent(security -> security.apply(p));
        options.settings().forEach(p::setProperty);
        return p;
    }

    private static void alone(Properties p) {
        // No empty records in the log of metadata twice a second: they only show how far other
        // nodes
        // are behind, and here are none. They cost a third of what an idle broker takes.
        p.setProperty("metadata.max.idle.interval.ms", "0");
    }

    private static void member(Properties p, ClusterMember member) {
        p.setProperty(CLUSTER_ID, member.clusterId());
        p.setProperty("node.id", Integer.toString(member.number()));
        p.setProperty("controller.quorum.voters", member.voters());
        append(p, "listeners", proxied(member.proxied().port()));
        append(p, "advertised.listeners", proxied(member.proxied().advertised()));
        append(p, "listener.security.protocol.map", PROXIED_LISTENER + ":PLAINTEXT");
    }

    private static String proxied(int port) {
        return "%s://%s:%d".formatted(PROXIED_LISTENER, HOST, port);
    }

    private static void append(Properties p, String key, String value) {
        p.setProperty(key, p.getProperty(key) + "," + value);
    }

    private static void topics(Properties p) {
        // A misspelt topic is an error, not a new topic.
        p.setProperty("auto.create.topics.enable", "false");
        p.setProperty("num.partitions", "4");
        p.setProperty("default.replication.factor", "1");
        p.setProperty("min.insync.replicas", "1");
        // Room for `dead-letters` (2 MiB) and a batch's own header; topics set their own limit.
        p.setProperty("message.max.bytes", Integer.toString((2 << 20) + (64 << 10)));
        for (String internal :
                new String[] {
                    "offsets.topic", "transaction.state.log", "share.coordinator.state.topic"
                }) {
            p.setProperty(internal + ".replication.factor", "1");
            p.setProperty(internal + ".num.partitions", "4");
        }
        p.setProperty("transaction.state.log.min.isr", "1");
        p.setProperty("share.coordinator.state.topic.min.isr", "1");
    }

    private static void groups(Properties p) {
        p.setProperty("group.initial.rebalance.delay.ms", "0");
        // Defaults are 5 s and 45 s: a killed worker's partitions would lie idle for that long.
        p.setProperty("group.consumer.heartbeat.interval.ms", "200");
        p.setProperty("group.consumer.min.heartbeat.interval.ms", "200");
        p.setProperty("group.consumer.session.timeout.ms", "6000");
        p.setProperty("group.consumer.min.session.timeout.ms", "6000");
    }

    private static void size(Properties p) {
        // A restart after kill -9 waits for the registration of the killed one to run out.
        p.setProperty("broker.session.timeout.ms", "2000");
        p.setProperty("broker.heartbeat.interval.ms", "500");
        // The default of 128 MiB is half of the heap.
        p.setProperty("log.cleaner.dedupe.buffer.size", Integer.toString(4 << 20));
        p.setProperty("log.cleaner.threads", "1");
        p.setProperty("num.network.threads", "2");
        p.setProperty("num.io.threads", "4");
        p.setProperty("num.recovery.threads.per.data.dir", "1");
        // Kafka Streams with exactly-once waits this long per transaction's first partition.
        p.setProperty("add.partitions.to.txn.retry.backoff.ms", "1");
    }
}
