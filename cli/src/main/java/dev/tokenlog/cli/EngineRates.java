package dev.tokenlog.cli;

import com.sun.management.ThreadMXBean;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.KvBudget;
import dev.tokenlog.engine.transformer.KvPages;
import dev.tokenlog.engine.transformer.Sequence;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

/// How fast an executor is, without sampling. Sequences that have decoded keep their prompts, so
/// that to measure them again is to decode alone.
final class EngineRates implements AutoCloseable {

    /// @param tokensPerSecond of all sequences together
    /// @param allocatedPerStep bytes of Java objects, on all threads
    record Decoding(double tokensPerSecond, double allocatedPerStep) {}

    private static final int CHUNK = 64;

    private final Executor executor;
    private final int before;
    private final List<Sequence> sequences = new ArrayList<>();
    private final ThreadMXBean allocations = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /// @param before tokens that a sequence has before it decodes
    EngineRates(Executor executor, int before) {
        this.executor = executor;
        this.before = before;
    }

    /// @param longest tokens that a sequence will have
    /// @throws CommandFailure if that is more than the model's context
    void requireContext(int longest) {
        int context = executor.plan().contextLength();
        if (longest > context) {
            throw CommandFailure.usage("%d tokens in a context of %d".formatted(longest, context));
        }
    }

    /// @param count sequences that decode together
    /// @param longest tokens that each will have
    /// @throws CommandFailure if the KV cache may not grow to so many
    static void requireRoom(Executor executor, int count, int longest) {
        KvPages pages = executor.kvPages();
        long room = pages.limit() / pages.pagesFor(longest);
        if (count > room) {
            throw CommandFailure.usage(
                    "%d sequences of %d tokens, where the KV cache has room for %d (%s: %d MiB)"
                            .formatted(
                                    count, longest, room, KvBudget.KEY, pages.limitBytes() >> 20));
        }
    }

    /// Tokens per second of a prompt, logits of its last token included.
    double prompt(int tokens) {
        requireContext(tokens);
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(tokens);
            sequence.reserve(tokens);
            Batch batch = executor.newBatch(CHUNK, 1);
            long begin = System.nanoTime();
            prefill(batch, sequence, tokens);
            return tokens / seconds(begin);
        }
    }

    /// @param count sequences that decode together
    /// @param steps tokens of each
    Decoding decode(int count, int steps) {
        requireContext(before + steps);
        requireRoom(executor, count, before + steps);
        Batch batch = executor.newBatch(Math.max(CHUNK, count), count);
        while (sequences.size() < count) {
            Sequence sequence = executor.newSequence();
            sequences.add(sequence);
            sequence.fit(before + steps);
            sequence.reserve(before + steps);
            prefill(batch, sequence, before);
        }
        // An array, since an iterator would count as an object of the step.
        Sequence[] together = sequences.subList(0, count).toArray(Sequence[]::new);
        for (Sequence sequence : together) {
            sequence.truncate(before);
            sequence.fit(before + steps);
            sequence.reserve(before + steps);
        }
        long allocated = allocations.getTotalThreadAllocatedBytes();
        long begin = System.nanoTime();
        for (int i = 0; i < steps; i++) {
            batch.clear();
            for (Sequence sequence : together) {
                batch.add(sequence, token(i), before + i, true);
            }
            executor.step(batch);
        }
        double rate = (double) count * steps / seconds(begin);
        allocated = allocations.getTotalThreadAllocatedBytes() - allocated;
        return new Decoding(rate, (double) allocated / steps);
    }

    private static double seconds(long begin) {
        return (System.nanoTime() - begin) / 1e9;
    }

    private void prefill(Batch batch, Sequence sequence, int prompt) {
        for (int from = 0; from < prompt; from += CHUNK) {
            int to = Math.min(from + CHUNK, prompt);
            batch.clear();
            for (int i = from; i < to; i++) {
                batch.add(sequence, token(i), i, i == prompt - 1);
            }
            executor.step(batch);
        }
    }

    private int token(int index) {
        return index * 7919 % executor.plan().vocabularySize();
    }

    @Override
    public void close() {
        sequences.forEach(Sequence::close);
    }
}
