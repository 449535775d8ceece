package dev.tokenlog.inference.protocol;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongSupplier;

/// Which generations may be claimed now: bounded by their number and by the tokens that they begin
/// with, in the order of a [FairQueue], and a suspected poison alone. One that is refused or ended
/// without having run costs nothing, and waits for nobody but a suspect.
final class Admission {

    private record Running(long cost, long since) {}

    /// A prompt that waits.
    ///
    /// @param position from 1
    /// @param tokensAhead asked for by those before it
    /// @param estimatedMillis until it begins; empty while too little is known
    record Place(
            Generation generation, int position, long tokensAhead, OptionalLong estimatedMillis) {}

    private final long maxTokens;
    private final int maxGenerations;
    private final LongSupplier clock;
    private final FairQueue<Generation> waiting = new FairQueue<>();
    private final Set<Generation> ending = new LinkedHashSet<>();
    private final Map<Generation, Running> active = new LinkedHashMap<>();
    private final Map<Generation, Long> asked = new LinkedHashMap<>();
    private final DrainRate rate = new DrainRate();
    private long tokens;
    private boolean pumping;

    Admission(long maxTokens, int maxGenerations, LongSupplier clock) {
        this.maxTokens = maxTokens;
        this.maxGenerations = maxGenerations;
        this.clock = clock;
    }

    int waiting() {
        return waiting.size() + ending.size();
    }

    long waitingTokens() {
        return waiting.tokens();
    }

    int active() {
        return active.size();
    }

    void offer(Generation generation) {
        if (generation.needsEngine()) {
            long wanted = generation.asked();
            asked.put(generation, wanted);
            if (!generation.hasDeadline() || !generation.isTooLate(millisUntilDone(generation))) {
                waiting.add(generation, generation.fairnessKey(), wanted, generation.priority());
                pump();
                return;
            }
        }
        ending.add(generation);
        pump();
    }

    /// By the present rate, for one that comes now and waits for those whose turn is before its
    /// own.
    private OptionalLong millisUntilDone(Generation generation) {
        if (waiting.size() == 0) {
            return OptionalLong.empty();
        }
        long ahead = waiting.tokensAhead(generation.fairnessKey(), generation.priority());
        OptionalLong begins = rate.millisFor(ahead + asked.get(generation));
        return begins.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(begins.getAsLong() + rate.runMillis().orElse(0));
    }

    /// One that waits is to be ended, and needs no turn for that.
    void endsEarly(Generation generation) {
        if (waiting.remove(generation)) {
            ending.add(generation);
            pump();
        }
    }

    void left(Generation generation) {
        boolean wasWaiting = waiting.remove(generation) | ending.remove(generation);
        Running running = active.remove(generation);
        if (running != null) {
            tokens -= running.cost();
            if (running.cost() > 0) {
                long now = clock.getAsLong();
                rate.left(generation.drained(), now - running.since(), now);
            }
        }
        asked.remove(generation);
        if (wasWaiting || running != null) {
            pump();
        }
    }

    /// Begins what may begin.
    void pump() {
        if (pumping) {
            return;
        }
        pumping = true;
        try {
            for (Optional<Generation> next = admissible(); next.isPresent(); next = admissible()) {
                begin(next.get());
            }
            rate.saturated(waiting.size() > 0, clock.getAsLong());
        } finally {
            pumping = false;
        }
    }

    private void begin(Generation next) {
        long cost = 0;
        if (!ending.remove(next)) {
            cost = next.cost();
            waiting.begin(next);
        }
        active.put(next, new Running(cost, clock.getAsLong()));
        tokens += cost;
        next.begin();
    }

    private Optional<Generation> admissible() {
        if (active.keySet().stream().anyMatch(Generation::isQuarantined)) {
            return Optional.empty();
        }
        Optional<Generation> turn = waiting.first();
        if (turn.isPresent() && turn.get().isSuspect()) {
            // Alone: waits until all others are through, and the others wait for it.
            return active.isEmpty() ? turn : Optional.empty();
        }
        if (!ending.isEmpty()) {
            return ending.stream().findFirst();
        }
        return turn.filter(this::fits);
    }

    /// Nobody overtakes the one whose turn it is, so that a large one gets its place.
    private boolean fits(Generation next) {
        long cost = next.cost();
        return cost == 0
                || active.isEmpty()
                || (tokens + cost <= maxTokens && active.size() < maxGenerations);
    }

    /// The first that wait, in the order of their turns.
    List<Place> places(int most) {
        List<Place> places = new ArrayList<>();
        long ahead = 0;
        for (Generation generation : waiting.next(most)) {
            places.add(new Place(generation, places.size() + 1, ahead, rate.millisFor(ahead + 1)));
            ahead += asked.get(generation);
        }
        return places;
    }

    /// Tokens asked for by prompts that have not ended, by model.
    Map<String, Long> debt() {
        Map<String, Long> debt = new TreeMap<>();
        asked.forEach((generation, wanted) ->
                debt.merge(
                        generation.prompt().parsed().modelId(),
                        Math.max(0, wanted - generation.log().tokenCount()),
                        Long::sum));
        return debt;
    }
}
