package dev.tokenlog.engine.quantize;

/// Runs parts of a computation that do not depend on each other, on however many threads. What a
/// part computes must not depend on who runs it, or when: then the number of threads changes no
/// bit.
@FunctionalInterface
public interface Bands {

    /// One part.
    @FunctionalInterface
    interface Part {
        void run(int index);
    }

    /// Runs parts `0` to `count - 1` and returns when all are done.
    void run(int count, Part part);

    /// To be asked within a part that takes long.
    ///
    /// @throws java.util.concurrent.CancellationException if nobody wants the result any more
    default void requireGoOn() {}

    /// One after the other, on the calling thread.
    static Bands alone() {
        return (count, part) -> {
            for (int i = 0; i < count; i++) {
                part.run(i);
            }
        };
    }
}
