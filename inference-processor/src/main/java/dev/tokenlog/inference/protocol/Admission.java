package dev.tokenlog.inference.protocol;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Which generations may be claimed now: bounded by their number and by the tokens that they begin
/// with, and a suspected poison alone.
final class Admission {

    private final long maxTokens;
    private final int maxGenerations;
    private final Set<Generation> waiting = new LinkedHashSet<>();
    private final Map<Generation, Long> active = new LinkedHashMap<>();
    private long tokens;
    private boolean pumping;
    private boolean again;

    Admission(long maxTokens, int maxGenerations) {
        this.maxTokens = maxTokens;
        this.maxGenerations = maxGenerations;
    }

    int waiting() {
        return waiting.size();
    }

    int active() {
        return active.size();
    }

    void offer(Generation generation) {
        waiting.add(generation);
        pump();
    }

    void left(Generation generation) {
        boolean wasWaiting = waiting.remove(generation);
        Long cost = active.remove(generation);
        if (cost != null) {
            tokens -= cost;
        }
        if (wasWaiting || cost != null) {
            pump();
        }
    }

    /// Begins what may begin, in the order of arrival.
    void pump() {
        again = true;
        if (pumping) {
            return;
        }
        pumping = true;
        try {
            while (again) {
                again = false;
                for (Generation next : admissible()) {
                    if (waiting.remove(next)) {
                        long cost = next.cost();
                        active.put(next, cost);
                        tokens += cost;
                        next.begin();
                    }
                }
            }
        } finally {
            pumping = false;
        }
    }

    private List<Generation> admissible() {
        List<Generation> chosen = new ArrayList<>();
        if (active.keySet().stream().anyMatch(Generation::isQuarantined)) {
            return chosen;
        }
        long planned = tokens;
        boolean full = false;
        for (Generation next : waiting) {
            boolean idle = active.isEmpty() && chosen.isEmpty();
            if (next.isSuspect()) {
                // Alone: waits until all others are through, and the others behind it wait for it.
                if (idle) {
                    chosen.add(next);
                }
                return chosen;
            }
            long cost = next.cost();
            boolean fits =
                    planned + cost <= maxTokens && active.size() + chosen.size() < maxGenerations;
            if (cost == 0 || (!full && (fits || idle))) {
                chosen.add(next);
                planned += cost;
            } else {
                full = true;
            }
        }
        return chosen;
    }
}
