package dev.tokenlog.contracts;

/// How an operator lays the topics out.
///
/// @param partitions of `prompts` and of `tokens`, and of whatever else is spread
/// @param replication copies of every partition
public record TopicLayout(int partitions, short replication) {

    /// What one embedded broker gets.
    public static final TopicLayout EMBEDDED = new TopicLayout(4, (short) 1);

    public TopicLayout {
        if (partitions < 1 || replication < 1) {
            throw new IllegalArgumentException(
                    "partitions and replication must be at least 1, found %d and %d"
                            .formatted(partitions, replication));
        }
    }
}
