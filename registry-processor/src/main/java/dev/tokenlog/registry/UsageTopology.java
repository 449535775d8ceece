package dev.tokenlog.registry;

import dev.tokenlog.contracts.EventSerde;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.Usage;
import java.util.List;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/// What was used, as a Kafka Streams topology:
///
/// ```
/// prompts ─┐
/// tokens  ─┴▶ facts, by partition ──▶ one partition, by model ──▶ windows of a minute ──▶ usage
/// ```
///
/// `prompts` and `tokens` have equally many partitions, so one task sees a generation's prompt and
/// its tokens. An application of its own beside the registry: it reads every record of the busiest
/// topic, and what may be served must not wait for that.
final class UsageTopology {

    static final String ASKED_STORE = "asked-generations";
    static final String WINDOW_STORE = "usage-windows";
    static final String DEBT_STORE = "token-debt";

    static final List<Topic> INPUTS = List.of(Topic.PROMPTS, Topic.TOKENS);

    private UsageTopology() {}

    /// @param prefix of all topic names
    static Topology build(String prefix) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(store(ASKED_STORE, new StateSerde<>(AskedGeneration.class)));
        builder.addStateStore(store(WINDOW_STORE, new StateSerde<>(UsageWindow.class)));
        builder.addStateStore(store(DEBT_STORE, Serdes.Long()));
        builder.stream(
                        INPUTS.stream().map(topic -> topic.name(prefix)).toList(),
                        Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .process(() -> new UsageFacts(prefix), ASKED_STORE)
                .repartition(
                        Repartitioned.<String, UsageFact>as("facts")
                                .withNumberOfPartitions(1)
                                .withKeySerde(Serdes.String())
                                .withValueSerde(new StateSerde<>(UsageFact.class)))
                .process(UsageWindows::new, WINDOW_STORE, DEBT_STORE)
                .to(
                        Topic.USAGE.name(prefix),
                        Produced.with(Serdes.String(), EventSerde.of(Usage.class)));
        return builder.build();
    }

    private static <T> StoreBuilder<?> store(String name, Serde<T> values) {
        return Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore(name), Serdes.String(), values);
    }
}
