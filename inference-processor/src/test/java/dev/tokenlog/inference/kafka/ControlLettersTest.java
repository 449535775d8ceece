package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.inference.protocol.ProtocolClock;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Who tells of a control that nobody can read, and how often.
class ControlLettersTest {

    private final MockProducer<byte[], byte[]> producer =
            new MockProducer<>(true, null, new ByteArraySerializer(), new ByteArraySerializer());
    private final BlockingQueue<Runnable> results = new LinkedBlockingQueue<>();
    private final RecordSender sender = new RecordSender(producer, results::add);
    private final List<Long> commits = new ArrayList<>();
    private final Queue<Runnable> timers = new ArrayDeque<>();
    private final ControlLetters letters =
            new ControlLetters(
                    "t-",
                    sender,
                    commits::add,
                    new ProtocolClock() {
                        @Override
                        public long now() {
                            return 0;
                        }

                        @Override
                        public Cancellable after(long millis, Runnable task) {
                            timers.add(task);
                            return () -> timers.remove(task);
                        }
                    });

    @AfterEach
    void close() {
        sender.close();
    }

    @Test
    void onlyTheOwnerTellsAndEachOnce() throws Exception {
        unreadable(3, 7);
        assertThat(results).isEmpty();

        letters.assigned(5);
        unreadable(9);
        takeResults(2);
        assertThat(offsets()).containsExactly(7L, 9L);
        assertThat(commits).containsExactly(8L, 10L);
        assertThat(producer.history())
                .allSatisfy(letter -> {
                    assertThat(letter.topic()).isEqualTo("t-dead-letters");
                    assertThat(letter.value()).isEqualTo("no JSON".getBytes());
                });
    }

    @Test
    void whoHasLostThePartitionTellsNothing() {
        letters.assigned(0);
        letters.lost();
        unreadable(1);
        assertThat(results).isEmpty();
        assertThat(producer.history()).isEmpty();
        assertThat(commits).isEmpty();
    }

    @Test
    void whatCouldNotBeSentIsSentAgainBeforeTheNext() throws Exception {
        producer.sendException = new KafkaException("away");
        letters.assigned(0);
        unreadable(1);
        takeResults(1);
        unreadable(2);
        assertThat(results).isEmpty();
        timers.remove().run();
        takeResults(1);
        assertThat(commits).isEmpty();

        producer.sendException = null;
        timers.remove().run();
        takeResults(2);
        assertThat(timers).isEmpty();
        assertThat(offsets()).containsExactly(1L, 2L);
        assertThat(commits).containsExactly(2L, 3L);
    }

    @Test
    void whatNoLetterCanHoldStopsNobodyBehindIt() throws Exception {
        producer.sendException = new RecordTooLargeException("too large");
        letters.assigned(0);
        unreadable(1);
        takeResults(1);
        assertThat(timers).isEmpty();
        assertThat(commits).containsExactly(2L);

        producer.sendException = null;
        unreadable(2);
        takeResults(1);
        assertThat(offsets()).containsExactly(2L);
        assertThat(commits).containsExactly(2L, 3L);
    }

    @Test
    void whoHasLostThePartitionDoesNotTryAgain() throws Exception {
        producer.sendException = new KafkaException("away");
        letters.assigned(0);
        unreadable(1);
        takeResults(1);
        letters.lost();
        producer.sendException = null;
        timers.remove().run();
        assertThat(results).isEmpty();
        assertThat(producer.history()).isEmpty();
    }

    /// What the protocol thread is told about this many sends.
    private void takeResults(int count) throws InterruptedException {
        for (int i = 0; i < count; i++) {
            results.take().run();
        }
    }

    private void unreadable(long... offsets) {
        for (long offset : offsets) {
            letters.unreadable(
                    new ConsumerRecord<>(
                            "t-generation-controls", 0, offset, null, "no JSON".getBytes()),
                    new UnreadableEventException(ErrorCode.UNREADABLE, "no JSON"));
        }
    }

    private List<Long> offsets() {
        return producer.history().stream()
                .map(letter -> DeadLetter.of(letter.headers()).orElseThrow().offset())
                .toList();
    }
}
