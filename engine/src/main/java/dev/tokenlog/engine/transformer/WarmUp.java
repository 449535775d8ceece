package dev.tokenlog.engine.transformer;

import java.time.Duration;

/// Lets Java's compilers see the forward pass before somebody waits for it. Until they have,
/// vectors are objects, and the first prompt would take seconds.
public final class WarmUp {

    private static final int PROMPT = 40;
    private static final int SHORT_PROMPT = 8;
    private static final int DECODE = 12;

    /// Rounds in a row that were hardly faster than the fastest before.
    private static final int SETTLED_ROUNDS = 3;

    private static final double HARDLY_FASTER = 0.9;

    private final Executor executor;
    private final Batch batch;
    private final long deadline;

    private WarmUp(Executor executor, long deadline) {
        this.executor = executor;
        this.batch = executor.newBatch(PROMPT, 1);
        this.deadline = deadline;
    }

    /// Runs made-up prompts and continuations until they get no faster.
    ///
    /// @param atMost ends it earlier; checked between steps
    /// @return the time it took
    public static Duration run(Executor executor, Duration atMost) {
        long begin = System.nanoTime();
        if (executor.plan().contextLength() >= PROMPT + SHORT_PROMPT + DECODE) {
            new WarmUp(executor, begin + atMost.toNanos()).untilSettled();
        }
        return Duration.ofNanos(System.nanoTime() - begin);
    }

    private void untilSettled() {
        long fastest = Long.MAX_VALUE;
        int settled = 0;
        while (settled < SETTLED_ROUNDS && System.nanoTime() < deadline) {
            long begin = System.nanoTime();
            round();
            long time = System.nanoTime() - begin;
            settled = time > HARDLY_FASTER * fastest ? settled + 1 : 0;
            fastest = Math.min(fastest, time);
        }
    }

    /// All shapes of a step: a long prompt, a short one, single tokens.
    private void round() {
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(PROMPT + SHORT_PROMPT + DECODE);
            sequence.reserve(PROMPT + SHORT_PROMPT + DECODE);
            step(sequence, PROMPT);
            step(sequence, SHORT_PROMPT);
            for (int i = 0; i < DECODE && System.nanoTime() < deadline; i++) {
                step(sequence, 1);
            }
        }
    }

    private void step(Sequence sequence, int tokens) {
        batch.clear();
        int first = sequence.length();
        for (int i = first; i < first + tokens; i++) {
            int token = i % executor.plan().vocabularySize();
            batch.add(sequence, token, i, i == first + tokens - 1);
        }
        executor.step(batch);
    }
}
