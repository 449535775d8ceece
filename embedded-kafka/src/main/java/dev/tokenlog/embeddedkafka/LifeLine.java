package dev.tokenlog.embeddedkafka;

import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.CountDownLatch;

/// The broker's side of the pipe that its parent holds open for as long as it lives. A broker that
/// is still starting has served nobody: it ends at once, so that whoever breaks off a start leaves
/// nothing behind and can start again. One that serves is closed by its main thread.
final class LifeLine {

    private final CountDownLatch ended = new CountDownLatch(1);
    private boolean serving;

    private LifeLine() {}

    static LifeLine watch(InputStream in) {
        LifeLine line = new LifeLine();
        Thread.ofPlatform().daemon().name("life-line").start(() -> line.read(in));
        return line;
    }

    synchronized void serving() {
        serving = true;
    }

    void awaitEnd() {
        try {
            ended.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void read(InputStream in) {
        byte[] ignored = new byte[64];
        try {
            while (in.read(ignored) >= 0) {
                // nothing is said to the broker this way but goodbye
            }
        } catch (IOException e) {
            System.err.println("standard input: " + e.getMessage());
        }
        synchronized (this) {
            if (!serving) {
                Runtime.getRuntime().halt(0);
            }
        }
        ended.countDown();
    }
}
