package dev.tokenlog.nativekernels;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.KernelProbe;
import dev.tokenlog.engine.compute.ScalarKernels;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicReference;

/// What bounds a language model on this machine, measured with nothing around it: how fast memory
/// is read, which bounds decoding one sequence, and how fast weights in groups of 32 can be
/// multiplied under the rules of `docs/numerics.md`, which bounds prompt processing. The product is
/// none of the engine's kernels: it has the layout that suits it best and does nothing else.
public final class Yardstick implements AutoCloseable {

    private static final int ROWS = 11264;
    private static final int COLUMNS = 2048;
    private static final int GROUP = 32;
    private static final int TILE = 16;
    private static final int TOKENS = 120;

    /// Many times what caches hold.
    private static final long BYTES = 512L << 20;

    /// The best of so many counts: a limit is what the machine can do undisturbed.
    private static final int TRIES = 3;

    private final Arena arena = Arena.ofShared();
    private final NativeLibrary.Tier best;
    private final MethodHandle product;
    private final MethodHandle read;
    private final int threads;
    private final MemorySegment memory = arena.allocate(BYTES, 64);
    private final MemorySegment codes = arena.allocate(2L * TOKENS * COLUMNS, 64);
    private final MemorySegment scales = arena.allocate(4L * TOKENS * COLUMNS / GROUP, 64);
    private final MemorySegment offsets = arena.allocate(4L * TOKENS * COLUMNS / GROUP, 64);
    private final MemorySegment out = arena.allocate(4L * TOKENS * ROWS, 64);

    /// The code that [#memory] has scales for.
    private NumberCode laidOut;

    private Yardstick(NativeLibrary library, int threads) {
        this.best =
                library.tiers().stream()
                        .filter(NativeLibrary.Tier::usable)
                        .findFirst()
                        .orElseThrow();
        this.product =
                library.function(
                        "tokenlog_yardstick",
                        JAVA_INT,
                        JAVA_INT,
                        ADDRESS,
                        JAVA_LONG,
                        JAVA_INT,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        JAVA_INT,
                        ADDRESS,
                        JAVA_LONG);
        this.read = library.function("tokenlog_read", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
        this.threads = threads;
        for (long at = 0; at < BYTES; at += Long.BYTES) {
            memory.set(JAVA_LONG, at, at * 0x9E3779B97F4A7C15L);
        }
        codes.fill((byte) 3);
        scales.elements(JAVA_FLOAT).forEach(scale -> scale.set(JAVA_FLOAT, 0, 0.01f));
        offsets.elements(JAVA_INT).forEach(sum -> sum.set(JAVA_INT, 0, -8 * 3 * GROUP));
    }

    /// @throws EngineException if native kernels cannot be used here
    public static Yardstick open(int threads) {
        KernelProbe probe = new NativeKernelProvider().probe(new ScalarKernels()).getFirst();
        return switch (probe) {
            case KernelProbe.Unusable unusable ->
                    throw new EngineException(
                            EngineException.Reason.UNSUPPORTED,
                            "the yardstick needs the native kernels: %s (%s)"
                                    .formatted(unusable.reason(), unusable.remedy()));
            case KernelProbe.Usable usable -> new Yardstick(LoadedLibrary.LIBRARY, threads);
        };
    }

    /// Bytes per second that all threads together read from memory.
    public double readRate() {
        return BYTES / best(() -> onAllThreads(this::readPart));
    }

    private void readPart(int part) {
        long from = BYTES * part / threads / 64 * 64;
        long to = BYTES * (part + 1) / threads / 64 * 64;
        try {
            long ignored =
                    (long)
                            read.invokeExact(
                                    best.number(), memory.asSlice(from, to - from), to - from);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    /// Whether there is a product of this code: of 4 and 8 bits, where the processor has AVX-512
    /// VNNI.
    public boolean multiplies(NumberCode code) {
        boolean written = code == NumberCode.INT4 || code == NumberCode.INT8;
        return written && best.name().equals("avx512vnni");
    }

    /// Multiply-adds per second of a product with 120 tokens, all threads together, if there is one
    /// of this code.
    public OptionalDouble productRate(NumberCode code) {
        if (!multiplies(code)) {
            return OptionalDouble.empty();
        }
        long tileBytes = (long) TILE * COLUMNS / GROUP * (GROUP * code.bits() / 8 + 2);
        long matrixBytes = ROWS / TILE * tileBytes;
        int matrices = (int) (BYTES / matrixBytes);
        if (laidOut != code) {
            halfPrecisionScales(code);
            laidOut = code;
        }
        double seconds =
                best(() -> {
                    for (int i = 0; i < matrices; i++) {
                        int matrix = i;
                        onAllThreads(part -> multiplyPart(part, matrix, code, tileBytes));
                    }
                });
        return OptionalDouble.of((double) matrices * ROWS * COLUMNS * TOKENS / seconds);
    }

    /// Scales behind the codes of each group are small numbers, so that no sum is slowed down by
    /// being infinite, subnormal or not a number.
    private void halfPrecisionScales(NumberCode code) {
        long codeBytes = (long) TILE * GROUP * code.bits() / 8;
        short scale = Float.floatToFloat16(0.0078125f);
        for (long at = codeBytes; at + 2 * TILE <= BYTES; at += codeBytes + 2 * TILE) {
            for (int row = 0; row < TILE; row++) {
                memory.set(JAVA_SHORT, at + 2 * row, scale);
            }
        }
    }

    private void multiplyPart(int part, int matrix, NumberCode code, long tileBytes) {
        long tiles = ROWS / TILE;
        long from = tiles * part / threads;
        long count = tiles * (part + 1) / threads - from;
        MemorySegment weights =
                memory.asSlice((matrix * tiles + from) * tileBytes, count * tileBytes);
        try {
            int ignored =
                    (int)
                            product.invokeExact(
                                    code.bits(),
                                    weights,
                                    count,
                                    COLUMNS,
                                    codes,
                                    scales,
                                    offsets,
                                    TOKENS,
                                    out.asSlice(4 * from * TILE),
                                    (long) ROWS);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    interface Work {
        void run(int part);
    }

    private static double best(Runnable work) {
        double least = Double.MAX_VALUE;
        for (int i = 0; i < TRIES; i++) {
            long begin = System.nanoTime();
            work.run();
            least = Math.min(least, (System.nanoTime() - begin) / 1e9);
        }
        return least;
    }

    /// Threads meet after each piece of work, as they have to after each matrix of a model.
    private void onAllThreads(Work work) {
        onAllThreads(threads, work);
    }

    /// @throws RuntimeException what the first of them threw: a limit that a thread has not reached
    ///   is none
    static void onAllThreads(int threads, Work work) {
        AtomicReference<RuntimeException> failure = new AtomicReference<>();
        List<Thread> others = new ArrayList<>();
        for (int i = 1; i < threads; i++) {
            int part = i;
            others.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                try {
                                    work.run(part);
                                } catch (RuntimeException thrown) {
                                    failure.compareAndSet(null, thrown);
                                }
                            }));
        }
        try {
            work.run(0);
        } finally {
            others.forEach(Yardstick::join);
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
