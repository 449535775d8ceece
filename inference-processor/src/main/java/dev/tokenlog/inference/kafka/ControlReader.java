package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.ControlEvent;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.inference.protocol.TokenTopic.StartingPoint;
import dev.tokenlog.inference.protocol.Worker;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/// Reads all of `generation-controls`, from `max-age` back: any worker may own the generation
/// meant, now or later.
final class ControlReader implements LogReader.Sink {

    private final TopicPartition partition;
    private final LogReader log;
    private final Executor protocol;
    private final Worker worker;
    private final ControlLetters letters;
    private volatile boolean read;

    ControlReader(
            String topic, LogReader log, Executor protocol, Worker worker, ControlLetters letters) {
        this.partition = new TopicPartition(topic, 0);
        this.log = log;
        this.protocol = protocol;
        this.worker = worker;
        this.letters = letters;
    }

    void start(Duration maxAge) {
        long since = System.currentTimeMillis() - maxAge.toMillis();
        log.follow(partition, new StartingPoint.AppendTime(since), this);
    }

    boolean isRead() {
        return read;
    }

    @Override
    public void records(List<ConsumerRecord<byte[], byte[]>> records, long next) {
        records.forEach(this::take);
    }

    private void take(ConsumerRecord<byte[], byte[]> record) {
        try {
            switch (EventJson.read(record.headers(), record.value(), ControlEvent.class)) {
                case ControlEvent.CancelRequested cancel ->
                        protocol.execute(() ->
                                worker.cancelRequested(
                                        cancel.generationId(),
                                        cancel.reason(),
                                        record.timestamp()));
            }
        } catch (UnreadableEventException e) {
            protocol.execute(() -> letters.unreadable(record, e));
        }
    }

    @Override
    public void reachedEnd() {
        read = true;
    }
}
