package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.TokenEvent;
import java.util.List;
import java.util.function.Consumer;
import org.apache.kafka.common.header.Headers;

/// The topic `tokens`. All calls return at once; what they promise is told on the protocol thread.
public interface TokenTopic {

    /// Appends to the partition of this number; appends of one caller keep their order.
    ///
    /// @param prompt the headers of the prompt, of which the caller's own are passed on
    void append(int partition, TokenEvent event, Headers prompt, Consumer<SendResult> done);

    /// Reads a partition from a starting point on, in order, and never stops, until [#unfollow].
    void follow(int partition, StartingPoint from, Reader reader);

    /// Nothing more is told of this partition.
    void unfollow(int partition);

    sealed interface StartingPoint {

        /// This offset, or the log's start if that lies behind it.
        record Offset(long offset) implements StartingPoint {}

        /// The first record appended at this time (milliseconds since 1970) or later.
        record AppendTime(long millis) implements StartingPoint {}
    }

    interface Reader {

        /// Told first, if at all: records from the starting point on have been deleted.
        ///
        /// @param before those of smaller offsets; the largest number where no offset says anything
        void beginningDeleted(long before);

        /// @param records in the order of the log; events that cannot be read are left out
        /// @param next the offset behind the last one read
        void records(List<TokenRecord> records, long next);

        /// Told once: everything that the partition held when it was followed has been told.
        void reachedEnd();
    }

    record TokenRecord(long offset, long appendTime, TokenEvent event) {}
}
