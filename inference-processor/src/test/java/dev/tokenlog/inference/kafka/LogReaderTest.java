package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.inference.protocol.TokenTopic.StartingPoint;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// How much of a log is read, counted.
class LogReaderTest {

    private static final TopicPartition PARTITION = new TopicPartition("tokens", 0);
    private static final long END = 10_000;

    private final MockConsumer<byte[], byte[]> consumer = new MockConsumer<>("earliest");
    private final LogReader log = new LogReader(consumer);
    private final Told told = new Told();

    private static final class Told implements LogReader.Sink {
        final List<Long> offsets = new CopyOnWriteArrayList<>();
        volatile long next = -1;
        volatile long nextAtTheEnd = -1;

        @Override
        public void records(List<ConsumerRecord<byte[], byte[]>> records, long next) {
            records.forEach(record -> offsets.add(record.offset()));
            this.next = next;
        }

        @Override
        public void reachedEnd() {
            nextAtTheEnd = next;
        }
    }

    private void follow(StartingPoint from) {
        consumer.updateBeginningOffsets(Map.of(PARTITION, 0L));
        consumer.updateEndOffsets(Map.of(PARTITION, END));
        consumer.schedulePollTask(() ->
                LongStream.range(0, END)
                        .mapToObj(offset ->
                                new ConsumerRecord<>(
                                        PARTITION.topic(),
                                        PARTITION.partition(),
                                        offset,
                                        new byte[0],
                                        new byte[0]))
                        .forEach(consumer::addRecord));
        log.follow(PARTITION, from, told);
        log.start();
        await().until(() -> told.nextAtTheEnd >= 0);
    }

    @AfterEach
    void stop() {
        log.close();
    }

    @Test
    void readsFromTheStartingPointOn() {
        follow(new StartingPoint.Offset(END - 2));
        assertThat(told.offsets).containsExactly(END - 2, END - 1);
        assertThat(told.nextAtTheEnd).isEqualTo(END);
    }

    /// Otherwise the worker would commit 0 as the safe beginning of a partition where nothing has
    /// happened since, and the next one would read all of it.
    @Test
    void saysHowFarItIsWhereNothingIsLeftToRead() {
        follow(new StartingPoint.Offset(END));
        assertThat(told.offsets).isEmpty();
        assertThat(told.nextAtTheEnd).isEqualTo(END);
    }

    @Test
    void readsAllOfALogThatIsShorterThanTheStartingPoint() {
        follow(new StartingPoint.Offset(END + 1));
        assertThat(told.offsets).hasSize((int) END);
    }
}
