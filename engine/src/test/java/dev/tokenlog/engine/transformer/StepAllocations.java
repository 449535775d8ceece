package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/// What the steps of an executor allocate, by the JVM's own counters of the thread that calls and
/// of all threads that the executor has begun.
public final class StepAllocations {

    /// Steps in a row whose allocations are counted together: so many that every thread gets parts
    /// of them, even where others use the machine as well.
    public static final int STEPS = 500;

    private static final int SEQUENCES = 4;
    private static final int PROMPT = 11;
    private static final int DECODED = 8;
    private static final int CYCLE = DECODED + 2;

    /// Until the compilers have seen them, vectors and native calls are objects. In processor time
    /// of the calling thread: a machine without time for us compiles later.
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private static final ThreadMXBean COUNTERS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Executor executor;
    private final List<Long> others;
    private final Sequence[] sequences = new Sequence[SEQUENCES];
    private final Batch batch;

    private StepAllocations(Executor executor, List<Long> others) {
        this.executor = executor;
        this.others = others;
        this.batch = executor.newBatch(SEQUENCES * PROMPT, SEQUENCES);
    }

    /// The fewest bytes that [#STEPS] steps in a row allocated. The steps read prompts of several
    /// sequences, decode them together, and decode some while another reads. Runs until it has seen
    /// 0, or for two minutes of processor time.
    ///
    /// @param threads that the executor computes with, the caller's included
    public static long fewest(Supplier<? extends Executor> open, int threads) {
        Set<Thread> before = Thread.getAllStackTraces().keySet();
        try (Executor executor = open.get()) {
            List<Long> others =
                    Thread.getAllStackTraces().keySet().stream()
                            .filter(thread -> thread.getName().startsWith("tokenlog-compute-"))
                            .filter(thread -> !before.contains(thread))
                            .map(Thread::threadId)
                            .toList();
            assertThat(others).hasSize(threads - 1);
            return new StepAllocations(executor, others).fewest();
        }
    }

    private long fewest() {
        for (int i = 0; i < SEQUENCES; i++) {
            sequences[i] = executor.newSequence();
            sequences[i].fit(2 * PROMPT + DECODED);
            sequences[i].reserve(2 * PROMPT + DECODED);
        }
        try {
            long fewest = Long.MAX_VALUE;
            long deadline = COUNTERS.getCurrentThreadCpuTime() + PATIENCE.toNanos();
            while (fewest > 0 && COUNTERS.getCurrentThreadCpuTime() < deadline) {
                long earlier = ofOthers();
                long own = COUNTERS.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < STEPS; i++) {
                    step(i % CYCLE);
                }
                own = COUNTERS.getCurrentThreadAllocatedBytes() - own;
                fewest = Math.min(fewest, own + ofOthers() - earlier);
            }
            return fewest;
        } finally {
            for (Sequence sequence : sequences) {
                sequence.close();
            }
        }
    }

    private long ofOthers() {
        long sum = 0;
        for (long id : others) {
            sum += COUNTERS.getThreadAllocatedBytes(id);
        }
        return sum;
    }

    private void step(int turn) {
        batch.clear();
        for (int i = 0; i < SEQUENCES; i++) {
            if (turn == 0) {
                sequences[i].truncate(0);
            }
            boolean reads = turn == 0 || turn == CYCLE - 1 && i == 0;
            add(sequences[i], reads ? PROMPT : 1);
        }
        executor.step(batch);
    }

    private void add(Sequence sequence, int tokens) {
        int from = sequence.length();
        for (int at = from; at < from + tokens; at++) {
            int token = at * 37 % executor.plan().vocabularySize();
            batch.add(sequence, token, at, at == from + tokens - 1);
        }
    }
}
