package dev.tokenlog.chaos;

import dev.tokenlog.chaos.Schedule.BrokerFault;
import dev.tokenlog.embeddedkafka.EmbeddedCluster;
import dev.tokenlog.embeddedkafka.EmbeddedKafka;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TopicDescription;

/// What happens to brokers: one at a time, so that a majority of the copies is always there. That
/// much is what three copies promise.
final class BrokerFaults {

    private static final long WHOLE_MILLIS = 600_000;
    private static final long DISK_MILLIS = 5_000;
    private static final long LOOK_MILLIS = 200;

    private final EmbeddedCluster cluster;
    private final RunLog log;

    BrokerFaults(EmbeddedCluster cluster, RunLog log) {
        this.cluster = cluster;
        this.log = log;
    }

    void run(List<BrokerFault> faults) throws InterruptedException {
        try (Admin admin =
                Admin.create(
                        Map.of(
                                "bootstrap.servers", cluster.bootstrapServers(),
                                "default.api.timeout.ms", 5_000,
                                "request.timeout.ms", 3_000))) {
            for (BrokerFault fault : faults) {
                awaitWhole(admin);
                Thread.sleep(fault.delayMillis());
                strike(admin, fault);
                if (fault.end().isKill()) {
                    log.killed("broker");
                }
            }
            awaitWhole(admin);
        }
    }

    private void strike(Admin admin, BrokerFault fault) throws InterruptedException {
        int number =
                fault.end() == Schedule.BrokerEnd.KILL_CONTROLLER
                        ? controller(admin, fault.broker())
                        : fault.broker();
        EmbeddedKafka broker = cluster.brokers().get(number);
        log.event("broker %d: %s for %d ms", number + 1, fault.end(), fault.holdMillis());
        switch (fault.end()) {
            case PAUSE -> {
                Signals.send(broker.processId(), "STOP");
                Thread.sleep(fault.holdMillis());
                Signals.send(broker.processId(), "CONT");
                return;
            }
            case DISK_FULL -> {
                Signals.limitFiles(broker.processId(), 4_096);
                try {
                    broker.onExit().get(DISK_MILLIS, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    log.event("broker %d: lives on with a full disk, killed", number + 1);
                } catch (ExecutionException e) {
                    throw new IllegalStateException(e);
                }
                broker.kill();
            }
            case KILL, KILL_CONTROLLER -> broker.kill();
        }
        Thread.sleep(fault.holdMillis());
        broker.restart();
    }

    private static int controller(Admin admin, int otherwise) throws InterruptedException {
        try {
            return admin.describeMetadataQuorum().quorumInfo().get().leaderId() - 1;
        } catch (ExecutionException e) {
            // It cannot be asked now; any broker will do.
            return otherwise;
        }
    }

    /// Until every partition has all its copies in sync.
    private void awaitWhole(Admin admin) throws InterruptedException {
        long until = System.nanoTime() + WHOLE_MILLIS * 1_000_000;
        while (!isWhole(admin)) {
            if (System.nanoTime() > until) {
                log.violation(
                        new Violation(
                                "cluster",
                                "brokers",
                                "not all copies in sync within %s"
                                        .formatted(Duration.ofMillis(WHOLE_MILLIS))));
                return;
            }
            Thread.sleep(LOOK_MILLIS);
        }
    }

    private boolean isWhole(Admin admin) throws InterruptedException {
        try {
            if (admin.describeCluster().nodes().get().size() < cluster.brokers().size()) {
                return false;
            }
            Map<String, TopicDescription> topics =
                    admin.describeTopics(
                                    admin.listTopics(
                                                    new org.apache.kafka.clients.admin
                                                                    .ListTopicsOptions()
                                                            .listInternal(true))
                                            .names()
                                            .get())
                            .allTopicNames()
                            .get();
            return topics.values().stream()
                    .flatMap(topic -> topic.partitions().stream())
                    .allMatch(partition -> partition.isr().size() == partition.replicas().size());
        } catch (ExecutionException e) {
            return false;
        }
    }
}
