package dev.tokenlog.inference.protocol;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.function.Consumer;

/// The prompts of one assignment, in the order of the log and without a hole that the log has not.
final class PromptSequence {

    private static final Logger LOG = System.getLogger(PromptSequence.class.getName());

    private final int partition;
    private final PromptTopic prompts;
    private final Consumer<PromptRecord> accept;
    private final Queue<PromptRecord> parked = new ArrayDeque<>();
    private long next;
    private boolean checking;
    private boolean closed;

    /// @param first the first offset of the assignment
    /// @param accept told of every prompt once
    PromptSequence(int partition, long first, PromptTopic prompts, Consumer<PromptRecord> accept) {
        this.partition = partition;
        this.next = first;
        this.prompts = prompts;
        this.accept = accept;
    }

    /// The offset behind the last prompt accepted.
    long next() {
        return next;
    }

    /// Takes the next record. One that leaves a hole behind is believed only if the log has that
    /// hole: otherwise it is left over from an earlier assignment, and to go on from it would lose
    /// prompts.
    void offer(PromptRecord record) {
        if (closed) {
            return;
        }
        if (checking) {
            parked.add(record);
        } else if (record.offset() == next) {
            take(record);
        } else if (record.offset() > next) {
            checking = true;
            prompts.firstFrom(partition, next, first -> checked(record, first));
        }
    }

    private void checked(PromptRecord record, long first) {
        checking = false;
        if (closed) {
            return;
        }
        if (record.offset() == first) {
            take(record);
        } else {
            LOG.log(
                    Level.WARNING,
                    "partition={0} prompt={1,number,#} is left over from an earlier assignment, next is {2,number,#}",
                    partition,
                    record.offset(),
                    first);
        }
        while (!checking && !parked.isEmpty()) {
            offer(parked.remove());
        }
    }

    private void take(PromptRecord record) {
        next = record.offset() + 1;
        accept.accept(record);
    }

    /// Nothing more is accepted.
    void close() {
        closed = true;
        parked.clear();
    }
}
