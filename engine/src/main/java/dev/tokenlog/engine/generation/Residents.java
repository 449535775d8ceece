package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.KvBudget;
import dev.tokenlog.engine.transformer.KvPages;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;

/// Who has pages of the KV cache. A generation is let in if there is room for its text so far, and
/// grows from there. When pages run out, the last in rank loses its own and waits again.
///
/// All get through: the first in rank can take the pages of every other, and the whole of it fits
/// or it would have been refused; so each step brings it a token further, until it is done and
/// another one is first. Rank is order of arrival, a few places earlier for a higher priority, and
/// nobody changes it.
final class Residents {

    private final Executor executor;
    private final List<Generation> active;
    private final Consumer<Generation> preempted;
    private final Supplier<PromptLookup> lookups;
    private volatile long reusedTokens;
    private volatile long preemptions;

    /// @param active those that have sequences; shared with the loop
    /// @param preempted told who has lost its place and is active no more
    /// @param lookups guess the tokens of a generation; give null if nothing may be guessed
    Residents(
            Executor executor,
            List<Generation> active,
            Consumer<Generation> preempted,
            Supplier<PromptLookup> lookups) {
        this.executor = executor;
        this.active = active;
        this.preempted = preempted;
        this.lookups = lookups;
    }

    /// Refuses what could not even run alone.
    void requireThatItFits(int mostTokens) {
        KvPages pages = executor.kvPages();
        if (pages.pagesFor(mostTokens) > pages.limit()) {
            throw new EngineException(
                    Reason.CONTEXT_TOO_LONG,
                    ("prompt and max_tokens take %d tokens of KV cache, %d bytes; %s allows %d"
                                    + " tokens, %d bytes")
                            .formatted(
                                    mostTokens,
                                    pages.pagesFor(mostTokens) * pages.pageBytes(),
                                    KvBudget.KEY,
                                    pages.limit() * pages.positions(),
                                    pages.limitBytes()));
        }
    }

    /// Lets a generation in if there is room for its text, less what is there already, and a page
    /// for each of the others to grow.
    boolean admit(Generation generation) {
        generation.enter(executor.newSequence());
        KvPages pages = executor.kvPages();
        int wanted = generation.length() + 1;
        long missing = pages.pagesFor(wanted) - pages.pagesFor(generation.cached());
        boolean enough = missing + active.size() <= pages.available();
        if (!active.isEmpty() && !(enough && generation.makeRoom(wanted))) {
            generation.leave();
            return false;
        }
        generation.admitted(lookups);
        active.add(generation);
        return true;
    }

    /// In order of rank.
    List<Generation> byRank() {
        List<Generation> ranked = new ArrayList<>(active);
        ranked.sort(Generation::compare);
        return ranked;
    }

    /// Before each step: makes room for one more token, at the expense of those that rank behind,
    /// and at last of the generation itself.
    void beginStep(Generation generation) {
        generation.beginStep();
        reusedTokens = reusedTokens + generation.takeNewlyReused();
        while (active.contains(generation) && !generation.makeRoom(generation.cached() + 1)) {
            if (active.size() == 1) {
                KvPages pages = executor.kvPages();
                throw new EngineException(
                        Reason.CONTEXT_TOO_LONG,
                        "%d tokens of KV cache, and there is memory for %d only"
                                .formatted(
                                        generation.cached() + 1,
                                        pages.limit() * pages.positions()));
            }
            Generation last = byRank().getLast();
            active.remove(last);
            last.leave();
            preemptions = preemptions + 1;
            preempted.accept(last);
        }
    }

    /// From any thread.
    LoopStatistics statistics(long steps, long sequences) {
        return new LoopStatistics(executor.kvPages(), reusedTokens, preemptions, steps, sequences);
    }
}
