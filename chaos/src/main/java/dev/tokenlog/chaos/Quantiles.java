package dev.tokenlog.chaos;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// Of times in milliseconds, by nearest rank.
record Quantiles(List<Long> sorted) {

    static Quantiles of(List<Long> values) {
        List<Long> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return new Quantiles(List.copyOf(sorted));
    }

    int count() {
        return sorted.size();
    }

    /// -1 without values.
    long at(double share) {
        if (sorted.isEmpty()) {
            return -1;
        }
        int rank = (int) Math.ceil(share * sorted.size());
        return sorted.get(Math.max(0, rank - 1));
    }
}
