package dev.tokenlog.embeddedkafka;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;

/// Several brokers, each a process of its own, that are one cluster on the loopback interface:
/// every partition on all of them, writes durable on a majority. Any one may be killed, paused and
/// started again.
public final class EmbeddedCluster implements AutoCloseable {

    private final List<EmbeddedKafka> brokers;
    private final List<ClusterMember.Proxied> proxied;

    private EmbeddedCluster(List<EmbeddedKafka> brokers, List<ClusterMember.Proxied> proxied) {
        this.brokers = List.copyOf(brokers);
        this.proxied = List.copyOf(proxied);
    }

    /// Returns when all take requests.
    ///
    /// @param folder each broker gets a folder in it
    /// @param size how many brokers; an odd number, so that there are majorities
    /// @param settings Kafka broker settings that replace or extend ours
    /// @throws EmbeddedKafkaException if one does not start; then none runs
    public static EmbeddedCluster start(Path folder, int size, Map<String, String> settings) {
        if (size < 3 || size % 2 == 0) {
            throw new IllegalArgumentException("size must be odd and at least 3, was " + size);
        }
        List<Integer> ports = FreePorts.lasting(4 * size);
        String clusterId = Uuid.randomUuid().toString();
        Map<String, String> all = new HashMap<>(copies(size));
        all.putAll(settings);
        List<CompletableFuture<EmbeddedKafka>> starts = new ArrayList<>();
        List<ClusterMember.Proxied> proxied = new ArrayList<>();
        for (int number = 1; number <= size; number++) {
            proxied.add(
                    new ClusterMember.Proxied(
                            ports.get(2 * size + number - 1), ports.get(3 * size + number - 1)));
            EmbeddedKafkaOptions options =
                    EmbeddedKafkaOptions.in(folder.resolve("broker-" + number))
                            .withPort(ports.get(size + number - 1))
                            .withSettings(all)
                            .withMember(
                                    new ClusterMember(
                                            number,
                                            clusterId,
                                            ports.subList(0, size),
                                            proxied.getLast()));
            // A member answers only when a majority has come.
            starts.add(
                    CompletableFuture.supplyAsync(
                            () -> EmbeddedKafka.start(options),
                            task -> Thread.ofVirtual().name("broker-start").start(task)));
        }
        return started(starts, proxied);
    }

    private static EmbeddedCluster started(
            List<CompletableFuture<EmbeddedKafka>> starts, List<ClusterMember.Proxied> proxied) {
        List<EmbeddedKafka> brokers = new ArrayList<>();
        CompletionException failure = null;
        for (CompletableFuture<EmbeddedKafka> start : starts) {
            try {
                brokers.add(start.join());
            } catch (CompletionException e) {
                failure = e;
            }
        }
        if (failure == null) {
            return new EmbeddedCluster(brokers, proxied);
        }
        brokers.forEach(EmbeddedKafka::kill);
        throw failure.getCause() instanceof EmbeddedKafkaException typed ? typed : failure;
    }

    private static Map<String, String> copies(int size) {
        String all = Integer.toString(size);
        String majority = Integer.toString(size / 2 + 1);
        return Map.of(
                "default.replication.factor", all,
                "min.insync.replicas", majority,
                "offsets.topic.replication.factor", all,
                "transaction.state.log.replication.factor", all,
                "transaction.state.log.min.isr", majority,
                "share.coordinator.state.topic.replication.factor", all,
                "share.coordinator.state.topic.min.isr", majority);
    }

    /// In their order; a broker's number is its place plus 1.
    public List<EmbeddedKafka> brokers() {
        return brokers;
    }

    /// Where a proxy of each broker has to listen, and what it has to pass on to: a client that
    /// comes by one stays with them.
    public List<ClusterMember.Proxied> proxied() {
        return proxied;
    }

    public String bootstrapServers() {
        return brokers.stream()
                .map(EmbeddedKafka::bootstrapServers)
                .collect(Collectors.joining(","));
    }

    /// Ends all cleanly, at the same time: the last ones could not hand anything over.
    @Override
    public void close() {
        List<Thread> ends =
                brokers.stream()
                        .map(broker -> Thread.ofVirtual().name("broker-end").start(broker::close))
                        .toList();
        for (Thread end : ends) {
            try {
                end.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }
}
