package dev.tokenlog.engine.hostile;

import com.sun.management.ThreadMXBean;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.random.RandomGenerator;

/// Feeds spoiled files to a reader for some seconds. Whatever the bytes are, it reads them or
/// throws an [EngineException]; takes less than a second of processor time; and allocates a bounded
/// multiple of what the file has, beside a constant.
///
/// `TOKENLOG_FUZZ_SECONDS` is the time for each format (default 3), `TOKENLOG_FUZZ_SEED` another
/// seed than the default one: so the tests of a build are always the same, and whoever looks for
/// defects gives a longer time and other seeds. `TOKENLOG_FUZZ_ROUND` begins with the round that a
/// report names. What breaks a reader is kept under `engine/target/fuzz`.
final class Fuzzer {

    /// A file that a round writes.
    interface Input {

        /// @return the bytes that a reader may look at
        long write(RandomGenerator random) throws IOException;

        /// Where they are.
        Path file();
    }

    /// What a reader may allocate: `perByte` for each byte of the input, and `constant`.
    record Bound(long perByte, long constant) {

        long of(long bytes) {
            return perByte * bytes + constant;
        }
    }

    private static final long SEED = longFrom("TOKENLOG_FUZZ_SEED", 20_261_121);
    private static final Duration TIME = Duration.ofSeconds(longFrom("TOKENLOG_FUZZ_SECONDS", 3));
    private static final long FIRST_ROUND = longFrom("TOKENLOG_FUZZ_ROUND", 0);
    private static final Duration MAX_CPU = Duration.ofSeconds(1);

    /// Another process may have the processor meanwhile.
    private static final Duration MAX_WALL = Duration.ofSeconds(60);

    /// While the virtual machine translates the reader, it is slow.
    private static final int WARM_UP_ROUNDS = 20;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final String format;
    private final Input input;
    private final Runnable reader;
    private final Bound bound;
    private final AtomicLong round = new AtomicLong(FIRST_ROUND);
    private final AtomicReference<AssertionError> failure = new AtomicReference<>();
    private volatile long roundBegan = System.nanoTime();
    private long read;
    private long refused;
    private long slowest;
    private long mostAllocated;

    private Fuzzer(String format, Input input, Runnable reader, Bound bound) {
        this.format = format;
        this.input = input;
        this.reader = reader;
        this.bound = bound;
    }

    private static long longFrom(String variable, long missing) {
        String value = System.getenv(variable);
        return value == null ? missing : Long.parseLong(value);
    }

    static void run(String format, Input input, Runnable reader, Bound bound) {
        new Fuzzer(format, input, reader, bound).run();
    }

    /// On a thread of its own, so that one that hangs is noticed.
    private void run() {
        Thread thread = Thread.ofPlatform().daemon().name("fuzz-" + format).unstarted(this::rounds);
        thread.start();
        try {
            while (!thread.join(Duration.ofMillis(500))) {
                if (System.nanoTime() - roundBegan > MAX_WALL.toNanos()) {
                    throw broken("hangs at " + place(thread), null);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (failure.get() != null) {
            throw failure.get();
        }
        System.out.printf(
                "fuzz %-18s seed %d: %d rounds, %d read, %d refused; slowest %d ms, most allocated %d"
                        + " KiB%n",
                format,
                SEED,
                round.get() - FIRST_ROUND,
                read,
                refused,
                TimeUnit.NANOSECONDS.toMillis(slowest),
                mostAllocated >> 10);
        if (round.get() - FIRST_ROUND > 100 && refused == 0) {
            throw new AssertionError(format + ": nothing was ever refused");
        }
    }

    private static String place(Thread thread) {
        StackTraceElement[] trace = thread.getStackTrace();
        return trace.length == 0 ? "?" : trace[0].toString();
    }

    private void rounds() {
        long end = System.nanoTime() + TIME.toNanos();
        try {
            while (System.nanoTime() < end) {
                roundBegan = System.nanoTime();
                once(new SplittableRandom(SEED * 1_000_003 + round.get()));
                round.incrementAndGet();
            }
        } catch (AssertionError e) {
            failure.set(e);
        } catch (IOException | RuntimeException | Error e) {
            failure.set(new AssertionError("the fuzzer itself failed in round " + round, e));
        }
    }

    private void once(RandomGenerator random) throws IOException {
        long bytes = input.write(random);
        long cpuBefore = THREADS.getCurrentThreadCpuTime();
        long allocatedBefore = THREADS.getCurrentThreadAllocatedBytes();
        try {
            reader.run();
            read++;
        } catch (EngineException e) {
            refused++;
            if (e.getMessage() == null || e.getMessage().isBlank() || e.reason() == null) {
                throw broken("says nothing", e);
            }
        } catch (RuntimeException | Error e) {
            // Whatever it is, and be it the end of the memory: only a typed error is right.
            throw broken("throws " + e, e);
        }
        long allocated = THREADS.getCurrentThreadAllocatedBytes() - allocatedBefore;
        long cpu = THREADS.getCurrentThreadCpuTime() - cpuBefore;
        mostAllocated = Math.max(mostAllocated, allocated);
        if (allocated > bound.of(bytes)) {
            throw broken(
                    "allocates %d bytes for a file of %d; the bound is %d"
                            .formatted(allocated, bytes, bound.of(bytes)),
                    null);
        }
        boolean warm = round.get() - FIRST_ROUND >= WARM_UP_ROUNDS;
        if (warm) {
            slowest = Math.max(slowest, cpu);
        }
        if (cpu > MAX_CPU.toNanos() * (warm ? 1 : 5)) {
            throw broken("takes " + cpu / 1_000_000 + " ms of processor time", null);
        }
    }

    private AssertionError broken(String what, Throwable cause) {
        String kept;
        try {
            Path folder = Files.createDirectories(TestFiles.root().resolve("engine/target/fuzz"));
            Path file = folder.resolve(format.replace(' ', '-') + "-" + SEED + "-" + round);
            Files.write(file, Files.readAllBytes(input.file()));
            kept = file.toString();
        } catch (IOException e) {
            kept = "not kept: " + e.getMessage();
        }
        return new AssertionError(
                "%s: seed %d, round %s: %s; input: %s".formatted(format, SEED, round, what, kept),
                cause);
    }
}
