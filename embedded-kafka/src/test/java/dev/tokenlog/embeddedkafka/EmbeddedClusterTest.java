package dev.tokenlog.embeddedkafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedClusterTest {

    @TempDir Path folder;

    @Test
    void aKilledBrokerIsMissedByNobodyAndComesBack() throws Exception {
        try (EmbeddedCluster cluster = EmbeddedCluster.start(folder, 3, Map.of())) {
            Records records = new Records(cluster.bootstrapServers());
            try (Admin admin = records.admin()) {
                admin.createTopics(List.of(new NewTopic("t", 1, (short) 3)))
                        .all()
                        .get(30, TimeUnit.SECONDS);
            }
            records.write("t", "one");

            for (EmbeddedKafka broker : cluster.brokers()) {
                broker.kill();
                records.write("t", "without " + broker.port());
                broker.restart();
            }

            records.write("t", "last");
            assertThat(records.read("t")).hasSize(5).startsWith("one").endsWith("last");
        }
    }

    @Test
    void withoutAMajorityThereIsNoCluster() {
        assertThatThrownBy(() -> EmbeddedCluster.start(folder, 2, Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("odd");
    }
}
