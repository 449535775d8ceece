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

    boolean asked() {
        return asked;
    }

    /// Takes note of the interruption, so that the thread can go on and ask.
    void acknowledge() {
        asked = false;
        Thread.interrupted();
    }

    @Override
    public void close() {
        Signal.handle(INTERRUPT, before);
    }
}
