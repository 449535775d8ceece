package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.protocol.SendResult;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.jboss.logging.Logger;

/// Sends records in order, on a thread of its own, because a producer may block in `send` while it
/// looks for the broker; results are told on the protocol thread.
final class RecordSender implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger(RecordSender.class);
    private static final Duration PATIENCE = Duration.ofSeconds(2);

    private final Producer<byte[], byte[]> producer;
    private final Executor protocol;
    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(
                    task -> Thread.ofPlatform().name("inference-sender").unstarted(task));

    RecordSender(Producer<byte[], byte[]> producer, Executor protocol) {
        this.producer = producer;
        this.protocol = protocol;
    }

    void send(ProducerRecord<byte[], byte[]> record, Consumer<SendResult> done) {
        thread.execute(() -> {
            try {
                producer.send(record, (_, failure) -> tell(done, result(failure)));
            } catch (KafkaException | IllegalStateException failure) {
                tell(done, result(failure));
            }
        });
    }

    private void tell(Consumer<SendResult> done, SendResult result) {
        protocol.execute(() -> done.accept(result));
    }

    private static SendResult result(Exception failure) {
        return switch (failure) {
            case null -> new SendResult.Acknowledged();
            case RecordTooLargeException e -> new SendResult.TooLarge(e.getMessage());
            default -> new SendResult.Failed(failure.toString());
        };
    }

    /// Waits, for a moment, until everything sent is in the log. Where there is no broker, each
    /// record would be waited for, one after the other.
    @Override
    public void close() {
        thread.shutdown();
        try {
            if (!thread.awaitTermination(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warnf("%d records not sent at the end", thread.shutdownNow().size() + 1);
            }
        } catch (InterruptedException e) {
            thread.shutdownNow();
            Thread.currentThread().interrupt();
        }
        producer.close(PATIENCE);
    }
}
