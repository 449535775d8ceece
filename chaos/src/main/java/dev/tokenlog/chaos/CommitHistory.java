package dev.tokenlog.chaos;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.coordinator.group.generated.OffsetCommitKey;
import org.apache.kafka.coordinator.group.generated.OffsetCommitValue;

/// Every commit that a group ever made, from the brokers' own topic.
final class CommitHistory {

    /// @param time milliseconds, by the group's coordinator
    record Commit(int partition, long offset, long time) {}

    private CommitHistory() {}

    static List<Commit> read(String bootstrap, String group, String topic) {
        List<Commit> commits = new ArrayList<>();
        for (RawLog.Entry entry : RawLog.read(bootstrap, "__consumer_offsets").entries()) {
            if (entry.key() == null || entry.value() == null) {
                continue;
            }
            ByteBuffer bytes = ByteBuffer.wrap(entry.key());
            short type = bytes.getShort();
            if (type > 1) {
                // Members, assignments: not a commit.
                continue;
            }
            OffsetCommitKey key = new OffsetCommitKey(new ByteBufferAccessor(bytes), (short) 0);
            if (key.group().equals(group) && key.topic().equals(topic)) {
                ByteBuffer body = ByteBuffer.wrap(entry.value());
                short version = body.getShort();
                OffsetCommitValue value =
                        new OffsetCommitValue(new ByteBufferAccessor(body), version);
                commits.add(new Commit(key.partition(), value.offset(), value.commitTimestamp()));
            }
        }
        return commits;
    }
}
