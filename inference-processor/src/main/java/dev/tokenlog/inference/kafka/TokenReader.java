package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.inference.protocol.TokenTopic.Reader;
import dev.tokenlog.inference.protocol.TokenTopic.TokenRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jboss.logging.Logger;

/// Hands the records of one partition of `tokens` to the protocol thread.
final class TokenReader implements LogReader.Sink {

    private static final Logger LOG = Logger.getLogger(TokenReader.class);

    private final LogReader log;
    private final Executor protocol;
    private final Reader reader;

    TokenReader(LogReader log, Executor protocol, Reader reader) {
        this.log = log;
        this.protocol = protocol;
        this.reader = reader;
    }

    @Override
    public void records(List<ConsumerRecord<byte[], byte[]>> records, long next) {
        List<TokenRecord> events = new ArrayList<>(records.size());
        for (ConsumerRecord<byte[], byte[]> record : records) {
            try {
                TokenEvent event = EventJson.read(record.value(), TokenEvent.class);
                events.add(new TokenRecord(record.offset(), record.timestamp(), event));
            } catch (UnreadableEventException e) {
                // Somebody else's record: void for every reader, and so for this one.
                LOG.warnf(
                        "topic=%s partition=%d offset=%d is no token event: %s",
                        record.topic(), record.partition(), record.offset(), e.getMessage());
            }
        }
        try {
            log.handOver();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        protocol.execute(() -> {
            log.taken();
            reader.records(events, next);
        });
    }

    @Override
    public void beginningDeleted(long before) {
        protocol.execute(() -> reader.beginningDeleted(before));
    }

    @Override
    public void reachedEnd() {
        protocol.execute(reader::reachedEnd);
    }
}
