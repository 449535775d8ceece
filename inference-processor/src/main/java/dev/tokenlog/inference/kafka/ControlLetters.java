package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.UnreadableEventException;
import dev.tokenlog.inference.protocol.ProtocolClock;
import dev.tokenlog.inference.protocol.SendResult;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jboss.logging.Logger;

/// Makes a dead letter of each control that nobody can read. Every worker reads all controls, so
/// one of them writes: the owner of the first partition of prompts. How far it came is committed in
/// the workers' group, so that neither a new owner nor a start tells the same again. On the
/// protocol thread.
final class ControlLetters {

    /// The partition of prompts whose owner writes.
    static final int PARTITION = 0;

    private static final Logger LOG = Logger.getLogger(ControlLetters.class);

    /// Of those that this worker has read and nobody has told of yet, as far as it knows.
    private static final int KEPT = 1_000;

    private static final long RETRY_MILLIS = 500;

    private record Unreadable(
            ConsumerRecord<byte[], byte[]> record, UnreadableEventException problem) {}

    private final String prefix;
    private final RecordSender sender;
    private final LongConsumer commit;
    private final ProtocolClock clock;
    private final TreeMap<Long, Unreadable> untold = new TreeMap<>();
    private boolean owner;
    private boolean sending;

    /// @param commit notes that all before an offset have been told
    ControlLetters(String prefix, RecordSender sender, LongConsumer commit, ProtocolClock clock) {
        this.prefix = prefix;
        this.sender = sender;
        this.commit = commit;
        this.clock = clock;
    }

    void unreadable(ConsumerRecord<byte[], byte[]> record, UnreadableEventException problem) {
        LOG.warnf(
                "topic=%s offset=%d is no control event: %s",
                record.topic(), record.offset(), problem.getMessage());
        untold.put(record.offset(), new Unreadable(record, problem));
        if (untold.size() > KEPT) {
            untold.pollFirstEntry();
        }
        tell();
    }

    /// @param committed what was told by whoever owned the partition before
    void assigned(long committed) {
        owner = true;
        untold.headMap(committed).clear();
        tell();
    }

    void lost() {
        owner = false;
    }

    /// One after the other, so that what is committed has no gap.
    private void tell() {
        Map.Entry<Long, Unreadable> first = untold.firstEntry();
        if (!owner || sending || first == null) {
            return;
        }
        sending = true;
        ConsumerRecord<byte[], byte[]> record = first.getValue().record();
        UnreadableEventException problem = first.getValue().problem();
        DeadLetter letter = DeadLetter.of(record, problem.code(), problem.getMessage(), 0);
        sender.send(
                letter.record(prefix, record.key(), record.value(), record.headers()),
                result -> told(first.getKey(), result));
    }

    private void tellAgain() {
        sending = false;
        tell();
    }

    private void told(long offset, SendResult result) {
        switch (result) {
            case SendResult.Failed _ -> {
                LOG.warnf("control at offset %d not told of: %s", offset, result);
                clock.after(RETRY_MILLIS, this::tellAgain);
                return;
            }
            // It never will be, and those behind it must not wait for it.
            case SendResult.TooLarge _ ->
                    LOG.errorf("control at offset %d has no dead letter: %s", offset, result);
            case SendResult.Acknowledged _ -> {}
        }
        sending = false;
        untold.remove(offset);
        commit.accept(offset + 1);
        tell();
    }
}
