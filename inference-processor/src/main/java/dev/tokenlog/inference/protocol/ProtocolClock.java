package dev.tokenlog.inference.protocol;

/// The protocol thread's time.
public interface ProtocolClock {

    /// Milliseconds since 1970, UTC.
    long now();

    /// Runs the task on the protocol thread after a while.
    Cancellable after(long millis, Runnable task);

    interface Cancellable {
        /// The task will not run, unless it already has.
        void cancel();
    }
}
