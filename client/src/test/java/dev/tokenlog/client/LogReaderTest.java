package dev.tokenlog.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.client.LogReader.Following;
import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.Topic;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// A patient reader and the quick one before it: who follows sees one of them.
class LogReaderTest {

    private static final TopicPartition PARTITION = new TopicPartition("tokens", 0);

    private final MockConsumer<byte[], byte[]> patient = new MockConsumer<>("none");
    private final MockConsumer<byte[], byte[]> quick = new MockConsumer<>("none");
    private final LogReader reader =
            new LogReader(patient, _ -> Topic.TOKENS, "patient")
                    .behind(quick, "quick", Duration.ofSeconds(4));
    private final Told told = new Told();

    private static final class Told implements LogReader.Listener {
        private final List<Long> offsets = new CopyOnWriteArrayList<>();
        private final List<Kind> failures = new CopyOnWriteArrayList<>();

        @Override
        public void onRecord(LogRecord record) {
            offsets.add(record.offset());
        }

        @Override
        public void onFailure(TokenlogException reason) {
            failures.add(reason.kind());
        }
    }

    @AfterEach
    void close() {
        reader.close();
    }

    private Following follow(long from) {
        Following following = reader.follow(Map.of(PARTITION, from), told);
        await().until(() -> follows(patient) && follows(quick));
        return following;
    }

    private static boolean follows(MockConsumer<byte[], byte[]> consumer) {
        return consumer.assignment().contains(PARTITION);
    }

    private static void appears(MockConsumer<byte[], byte[]> consumer, long from, long to) {
        consumer.schedulePollTask(() ->
                LongStream.range(from, to)
                        .mapToObj(offset ->
                                new ConsumerRecord<>(
                                        PARTITION.topic(),
                                        PARTITION.partition(),
                                        offset,
                                        new byte[0],
                                        new byte[0]))
                        .forEach(consumer::addRecord));
    }

    @Test
    void whatBothReadIsToldOnceAndThePatientOneStays() {
        follow(5);
        appears(quick, 5, 8);
        appears(patient, 5, 7);
        await().until(() -> told.offsets.size() == 3);
        await().until(() -> !follows(quick));
        appears(patient, 7, 10);
        await().until(() -> told.offsets.size() == 5);
        assertThat(told.offsets).containsExactly(5L, 6L, 7L, 8L, 9L);
        assertThat(follows(patient)).isTrue();
    }

    /// Another one is still ahead of the patient reader when it gets its follower.
    @Test
    void whoJoinsBehindTheOthersMissesNothing() {
        follow(5);
        appears(quick, 5, 8);
        appears(patient, 5, 8);
        await().until(() -> told.offsets.size() == 3);
        await().until(() -> !follows(quick));
        Told late = new Told();
        reader.follow(Map.of(PARTITION, 6L), late);
        appears(patient, 6, 9);
        await().until(() -> late.offsets.size() == 3);
        assertThat(late.offsets).containsExactly(6L, 7L, 8L);
        assertThat(told.offsets).containsExactly(5L, 6L, 7L, 8L);
    }

    @Test
    void whoHasClosedIsFollowedByNobody() {
        follow(0).close();
        await().until(() -> !follows(patient) && !follows(quick));
        assertThat(told.failures).isEmpty();
    }

    @Test
    void aFailureIsToldOnceThoughBothMeetIt() {
        follow(0);
        patient.setPollException(new TopicAuthorizationException("tokens"));
        quick.setPollException(new TopicAuthorizationException("tokens"));
        await().until(() -> !follows(patient) && !follows(quick));
        reader.close();
        assertThat(told.failures).containsExactly(Kind.NOT_ALLOWED);
    }

    @Test
    void closingEndsBoth() {
        follow(0);
        reader.close();
        assertThat(told.failures).containsExactly(Kind.CLOSED);
        assertThat(patient.closed()).isTrue();
        assertThat(quick.closed()).isTrue();
        reader.follow(Map.of(PARTITION, 0L), told);
        assertThat(told.failures).containsExactly(Kind.CLOSED, Kind.CLOSED);
    }
}
