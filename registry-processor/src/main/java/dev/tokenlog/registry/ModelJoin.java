package dev.tokenlog.registry;

import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Joins what the input topics say about a model: reads a record, applies it to the model's
/// history, and forwards what is served now if that changed. A record that cannot be read, or a
/// command that may not be obeyed, goes to `dead-letters`, and the next one has its turn.
final class ModelJoin implements Processor<byte[], byte[], Object, Object> {

    /// Child that takes (model id, [ModelServing] or null).
    static final String SERVING = "serving";

    /// Child that takes original bytes.
    static final String DEAD_LETTERS = "dead-letters";

    private static final Logger LOG = LoggerFactory.getLogger(ModelJoin.class);

    private final String prefix;
    private final Map<String, Topic> inputs;
    private ProcessorContext<Object, Object> context;
    private KeyValueStore<String, ModelHistory> histories;

    ModelJoin(String prefix) {
        this.prefix = prefix;
        this.inputs =
                RegistryTopology.INPUTS.stream()
                        .collect(Collectors.toMap(t -> t.name(prefix), Function.identity()));
    }

    @Override
    public void init(ProcessorContext<Object, Object> processorContext) {
        context = processorContext;
        histories = context.getStateStore(RegistryTopology.HISTORY_STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        RecordMetadata place =
                context.recordMetadata()
                        .orElseThrow(() -> new IllegalStateException("a record without a place"));
        try {
            Optional<Fact> fact =
                    FactReader.read(
                            inputs.get(place.topic()),
                            record.key(),
                            record.value(),
                            record.headers());
            fact.ifPresent(f -> take(f, record, place));
        } catch (UnreadableEventException e) {
            forwardDeadLetter(record, place, e.code(), e.getMessage());
        }
    }

    private void take(Fact fact, Record<byte[], byte[]> record, RecordMetadata place) {
        ModelHistory before =
                Optional.ofNullable(histories.get(fact.modelId()))
                        .orElseGet(() -> ModelHistory.of(fact.modelId()));
        ModelHistory.Applied applied = before.apply(fact);
        ModelHistory after = applied.history();
        if (!after.equals(before)) {
            histories.put(fact.modelId(), after);
        }
        Optional<ModelServing> serving = after.serving();
        if (!serving.equals(before.serving())) {
            LOG.info(
                    "registry model={} state={} current={} because={}",
                    fact.modelId(),
                    serving.map(s -> s.state().name()).orElse("none"),
                    serving.map(ModelServing::current)
                            .map(ModelServing.Version::modelDigest)
                            .orElse("none"),
                    fact.getClass().getSimpleName());
            context.forward(
                    new Record<Object, Object>(
                            fact.modelId(),
                            serving.orElse(null),
                            record.timestamp(),
                            passedOn(record.headers())),
                    SERVING);
        }
        applied.refusal().ifPresent(r -> forwardDeadLetter(record, place, r.code(), r.message()));
    }

    private void forwardDeadLetter(
            Record<byte[], byte[]> record, RecordMetadata place, ErrorCode code, String message) {
        LOG.warn(
                "registry refused topic={} partition={} offset={} code={} message={}",
                place.topic(),
                place.partition(),
                place.offset(),
                code,
                message);
        DeadLetter letter =
                new DeadLetter(place.topic(), place.partition(), place.offset(), code, message, 1);
        ProducerRecord<byte[], byte[]> told =
                letter.record(prefix, record.key(), record.value(), record.headers());
        context.forward(
                new Record<Object, Object>(
                        told.key(), told.value(), record.timestamp(), told.headers()),
                DEAD_LETTERS);
    }

    private static Headers passedOn(Headers headers) {
        Headers passed = new RecordHeaders();
        EventHeaders.pass(headers, passed);
        return passed;
    }
}
