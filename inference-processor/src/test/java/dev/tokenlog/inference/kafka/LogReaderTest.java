package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.inference.protocol.TokenTopic.StartingPoint;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// How much of a log is read, counted.
class LogReaderTest {

    private static final TopicPartition PARTITION = new TopicPartition("tokens", 0);
    private static final long END = 10_000;

    private final LogConsumer consumer = new LogConsumer();
    private final LogConsumer patient = new LogConsumer();
    private final LogReader log = new LogReader(patient, consumer, Duration.ofSeconds(4));
    private final Told told = new Told();

    /// Record N was appended at time N.
    private static final class LogConsumer extends MockConsumer<byte[], byte[]> {

        private final AtomicBoolean unsure = new AtomicBoolean();

        LogConsumer() {
            super("earliest");
        }

        @Override
        public long position(TopicPartition partition) {
            if (unsure.getAndSet(false)) {
                throw new WakeupException();
            }
            return super.position(partition);
        }

        @Override
        public Map<TopicPartition, OffsetAndTimestamp> offsetsForTimes(
                Map<TopicPartition, Long> times) {
            long start = beginningOffsets(times.keySet()).get(PARTITION);
            long found = Math.max(start, times.get(PARTITION));
            return found < END
                    ? Map.of(PARTITION, new OffsetAndTimestamp(found, found))
                    : Collections.singletonMap(PARTITION, null);
        }
    }

    private static final class Told implements LogReader.Sink {
        final List<Long> offsets = new CopyOnWriteArrayList<>();
        final List<Long> deletedBefore = new CopyOnWriteArrayList<>();
        volatile long next = -1;
        volatile long nextAtTheEnd = -1;

        @Override
        public void records(List<ConsumerRecord<byte[], byte[]>> records, long next) {
            records.forEach(record -> offsets.add(record.offset()));
            this.next = next;
        }

        @Override
        public void beginningDeleted(long before) {
            assertThat(offsets).isEmpty();
            deletedBefore.add(before);
        }

        @Override
        public void reachedEnd() {
            nextAtTheEnd = next;
        }
    }

    private void follow(StartingPoint from) {
        follow(from, 0);
    }

    private static void appears(LogConsumer consumer, long from, long to) {
        consumer.schedulePollTask(() -> add(consumer, PARTITION, from, to));
    }

    private static void add(LogConsumer consumer, TopicPartition partition, long from, long to) {
        for (long offset = from; offset < to; offset++) {
            consumer.addRecord(
                    new ConsumerRecord<>(
                            partition.topic(),
                            partition.partition(),
                            offset,
                            new byte[0],
                            new byte[0]));
        }
    }

    private void follow(StartingPoint from, long start) {
        consumer.updateBeginningOffsets(Map.of(PARTITION, start));
        consumer.updateEndOffsets(Map.of(PARTITION, END));
        appears(consumer, start, END);
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

    /// The quick one reads on until the patient one surely does.
    @Test
    void tellsOnceWhatBothConsumersRead() {
        follow(new StartingPoint.Offset(END));
        appears(patient, END, END + 2);
        appears(consumer, END, END + 3);
        await().until(() -> told.next == END + 3);
        await().until(() -> consumer.assignment().isEmpty());
        appears(patient, END + 2, END + 4);
        await().until(() -> told.next == END + 4);
        assertThat(told.offsets).containsExactly(END, END + 1, END + 2, END + 3);
    }

    /// What a poll has brought comes no second time.
    @Test
    void tellsAllThatItReadThoughItIsWokenBetween() {
        TopicPartition other = new TopicPartition("tokens", 1);
        consumer.updateBeginningOffsets(Map.of(PARTITION, 0L, other, 0L));
        consumer.updateEndOffsets(Map.of(PARTITION, END, other, END));
        Told toldOfOther = new Told();
        log.follow(PARTITION, new StartingPoint.Offset(0), told);
        log.follow(other, new StartingPoint.Offset(0), toldOfOther);
        consumer.schedulePollTask(() -> {
            List.of(PARTITION, other).forEach(p -> add(consumer, p, 0, 3));
            consumer.unsure.set(true);
        });
        log.start();
        await().until(() -> told.next == 3 && toldOfOther.next == 3);
        appears(consumer, 3, 5);
        await().until(() -> told.next == 5);
        assertThat(told.offsets).containsExactly(0L, 1L, 2L, 3L, 4L);
        assertThat(toldOfOther.offsets).containsExactly(0L, 1L, 2L);
        assertThat(consumer.unsure).isFalse();
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

    /// By offset it is certain; by time nobody knows what stood before what is left.
    @ParameterizedTest
    @CsvSource({
        "offset, 9000, 9000, ",
        "offset, 8999, 9000, 9000",
        "offset, 0,    9000, 9000",
        "offset, 0,    0,    ",
        "offset, 10000, 9000, ",
        "offset, 10001, 9000, 9223372036854775807",
        "offset, 10001, 0,    9223372036854775807",
        "time,   0,    0,    ",
        "time,   9001, 9000, ",
        "time,   9000, 9000, 9000",
        "time,   5,    9000, 9000",
        "time,   99999, 9000, ",
        "time,   99999, 10000, 10000",
    })
    void saysWhetherWhatItShouldBeginWithIsGone(String by, long from, long start, Long before) {
        follow(
                by.equals("offset")
                        ? new StartingPoint.Offset(from)
                        : new StartingPoint.AppendTime(from),
                start);
        assertThat(told.deletedBefore).isEqualTo(before == null ? List.of() : List.of(before));
    }
}
