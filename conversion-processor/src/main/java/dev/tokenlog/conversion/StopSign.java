package dev.tokenlog.conversion;

/// Tells a running conversion to stop: cancelled by somebody, which ends it, or abandoned (the
/// process ends, or the partition has another owner), which leaves it to whoever goes on. An
/// abandoned run writes nothing more, so it stays abandoned if it is cancelled as well.
final class StopSign {

    private volatile boolean abandoned;
    private volatile boolean cancelled;
    private volatile String cancelledBy;

    void cancel(String by) {
        cancelledBy = by;
        cancelled = true;
    }

    void abandon() {
        abandoned = true;
    }

    boolean isGiven() {
        return cancelled || abandoned;
    }

    boolean isAbandoned() {
        return abandoned;
    }

    /// Who cancelled it, if that was said.
    String cancelledBy() {
        return cancelledBy;
    }
}
