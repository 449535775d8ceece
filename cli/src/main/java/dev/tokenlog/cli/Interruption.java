package dev.tokenlog.cli;

import sun.misc.Signal;

/// Ctrl-C while a command waits for events: the waiting thread is interrupted, so that the command
/// can say what goes on without it. A second Ctrl-C ends the process.
final class Interruption implements AutoCloseable {

    private static final Signal INTERRUPT = new Signal("INT");

    private final sun.misc.SignalHandler before;
    private volatile boolean asked;

    /// From now on Ctrl-C interrupts the calling thread.
    Interruption() {
        Thread waiting = Thread.currentThread();
        before =
                Signal.handle(
                        INTERRUPT,
                        _ -> {
                            if (asked) {
                                Runtime.getRuntime().halt(ExitStatus.INTERRUPTED);
                            }
                            asked = true;
                            waiting.interrupt();
                        });
    }

    /// Whether Ctrl-C was pressed. If so, the thread is interrupted no longer, so that what it
    /// holds can be closed in peace.
    boolean take() {
        if (asked) {
            Thread.interrupted();
        }
        return asked;
    }

    /// The command goes on: the next Ctrl-C is a first one again.
    void acknowledge() {
        asked = false;
    }

    @Override
    public void close() {
        Signal.handle(INTERRUPT, before);
    }
}
