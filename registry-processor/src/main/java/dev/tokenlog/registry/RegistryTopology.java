package dev.tokenlog.registry;

import dev.tokenlog.contracts.EventSerializer;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.Topic;
import java.util.List;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/// What the registry computes, as a Kafka Streams topology:
///
/// ```
/// model-manifests ──┐
/// accuracy-metrics ─┼──▶ join (state: one ModelHistory per model) ──▶ model-registry
/// registry-commands ┘                                            └──▶ dead-letters
/// ```
///
/// The three topics have one partition each, so one task sees all of them, merged by append time.
/// State, output and offsets are written in one transaction (`exactly_once_v2`).
final class RegistryTopology {

    static final String HISTORY_STORE = "model-history";

    static final List<Topic> INPUTS =
            List.of(Topic.MODEL_MANIFESTS, Topic.ACCURACY_METRICS, Topic.REGISTRY_COMMANDS);

    private static final String RECORDS = "records";
    private static final String JOIN = "join";

    private RegistryTopology() {}

    /// @param prefix of all topic names
    static Topology build(String prefix) {
        Topology topology = new Topology();
        topology.addSource(
                RECORDS,
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer(),
                INPUTS.stream().map(topic -> topic.name(prefix)).toArray(String[]::new));
        topology.addProcessor(JOIN, () -> new ModelJoin(prefix), RECORDS);
        topology.addStateStore(historyStore(), JOIN);
        topology.addSink(
                ModelJoin.SERVING,
                Topic.MODEL_REGISTRY.name(prefix),
                new StringSerializer(),
                new EventSerializer<ModelServing>(),
                JOIN);
        topology.addSink(
                ModelJoin.DEAD_LETTERS,
                Topic.DEAD_LETTERS.name(prefix),
                new ByteArraySerializer(),
                new ByteArraySerializer(),
                JOIN);
        return topology;
    }

    /// In memory, since it is a few kilobytes per model; its changelog topic is what survives.
    private static StoreBuilder<KeyValueStore<String, ModelHistory>> historyStore() {
        return Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore(HISTORY_STORE),
                Serdes.String(),
                new StateSerde<>(ModelHistory.class));
    }
}
