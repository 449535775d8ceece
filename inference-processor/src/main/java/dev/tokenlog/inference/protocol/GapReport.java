package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import org.apache.kafka.common.header.internals.RecordHeaders;

/// Says on `dead-letters` that prompts were deleted before anybody processed them. Nothing is
/// committed before that is durable, or nobody would ever know.
final class GapReport {

    private final Worker worker;
    private final Assignment assignment;
    private final Runnable reported;
    private boolean done;
    private boolean closed;

    /// @param reported run once a gap has been reported
    GapReport(Worker worker, Assignment assignment, Runnable reported) {
        this.worker = worker;
        this.assignment = assignment;
        this.reported = reported;
        this.done = assignment.missing().isEmpty();
    }

    /// Whether there is nothing (more) to report.
    boolean isDone() {
        return done;
    }

    void send() {
        if (done || closed) {
            return;
        }
        long from = assignment.missing().getAsLong();
        DeadLetterTopic.Letter letter =
                new DeadLetterTopic.Letter(
                        assignment.partition(),
                        from,
                        null,
                        null,
                        new RecordHeaders(),
                        ErrorCode.LOG_GAP,
                        "prompts %d to %d were deleted before anybody processed them"
                                .formatted(from, assignment.committed() - 1),
                        0);
        worker.ports().deadLetters().append(letter, this::sent);
    }

    private void sent(SendResult result) {
        if (result instanceof SendResult.Acknowledged) {
            done = true;
            reported.run();
        } else {
            worker.after(Partition.RETRY_MILLIS, this::send);
        }
    }

    void close() {
        closed = true;
    }
}
