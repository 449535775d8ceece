package dev.tokenlog.contracts;

import java.util.List;
import java.util.stream.Collectors;

/// The topics of a cluster are not as they must be, or the cluster refuses or does not answer.
public final class TopicException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    public enum Kind {
        /// No broker answers at the addresses given.
        UNREACHABLE,
        /// The cluster does not let this client in, speaks another protocol, or does not allow
        /// this.
        NOT_ALLOWED,
        /// A topic is missing or has other settings; [#problems] says which.
        WRONG_TOPICS,
        /// The cluster refused what was asked for.
        REFUSED
    }

    /// One thing that is wrong with a topic.
    ///
    /// @param topic with its prefix
    /// @param setting `topic`, `partitions` or the name of a topic setting
    public record Problem(String topic, String setting, String expected, String found) {
        @Override
        public String toString() {
            return "topic %s: %s is %s, expected %s".formatted(topic, setting, found, expected);
        }
    }

    private final Kind kind;
    private final transient List<Problem> problems;

    public TopicException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
        this.problems = List.of();
    }

    public TopicException(List<Problem> problems) {
        super(problems.stream().map(Problem::toString).collect(Collectors.joining("; ")));
        this.kind = Kind.WRONG_TOPICS;
        this.problems = List.copyOf(problems);
    }

    public Kind kind() {
        return kind;
    }

    public List<Problem> problems() {
        return problems;
    }
}
