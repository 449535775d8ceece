package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.inference.protocol.SendResult;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;

class RecordSenderTest {

    private final List<SendResult> results = new CopyOnWriteArrayList<>();

    /// Blocks in `send` like a producer that looks for its broker.
    private static final class Blocked extends MockProducer<byte[], byte[]> {

        private final CountDownLatch never = new CountDownLatch(1);

        Blocked() {
            super(true, null, new ByteArraySerializer(), new ByteArraySerializer());
        }

        @Override
        public synchronized Future<RecordMetadata> send(
                ProducerRecord<byte[], byte[]> record, Callback callback) {
            try {
                never.await();
            } catch (InterruptedException e) {
                throw new InterruptException(e);
            }
            throw new AssertionError("nobody opens the latch");
        }
    }

    private static ProducerRecord<byte[], byte[]> record(String value) {
        return new ProducerRecord<>("topic", value.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void whatWasSentIsInTheLogWhenItIsClosed() {
        MockProducer<byte[], byte[]> producer =
                new MockProducer<>(
                        true, null, new ByteArraySerializer(), new ByteArraySerializer());
        try (RecordSender sender = new RecordSender(producer, Runnable::run)) {
            for (int i = 0; i < 100; i++) {
                sender.send(record("value " + i), results::add);
            }
        }
        assertThat(producer.history()).hasSize(100);
        assertThat(results).hasSize(100).containsOnly(new SendResult.Acknowledged());
        assertThat(producer.closed()).isTrue();
    }

    @Test
    void aBrokerThatIsAwayDoesNotHoldUpTheEnd() {
        Blocked producer = new Blocked();
        RecordSender sender = new RecordSender(producer, Runnable::run);
        for (int i = 0; i < 100; i++) {
            sender.send(record("value " + i), results::add);
        }
        long begin = System.nanoTime();

        sender.close();

        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(20));
        assertThat(producer.closed()).isTrue();
        assertThat(results).allMatch(result -> result instanceof SendResult.Failed);
    }
}
