package dev.tokenlog.registry;

import java.util.Map;
import java.util.TreeMap;

/// Counts of milliseconds in classes whose bounds grow by [#GROWTH], so that every quantile is
/// right to 2 %, whatever came (DDSketch, Masson, Rim, Lee 2019).
///
/// @param counts by class: class `i` holds what is above `GROWTH^(i-1)` and at most `GROWTH^i`
record Quantiles(TreeMap<Integer, Long> counts) {

    private static final double GROWTH = 1.04;

    static Quantiles empty() {
        return new Quantiles(new TreeMap<>());
    }

    Quantiles with(Long millis) {
        if (millis == null) {
            return this;
        }
        TreeMap<Integer, Long> more = new TreeMap<>(counts);
        int place = (int) Math.ceil(Math.log(Math.max(1, millis)) / Math.log(GROWTH));
        more.merge(place, 1L, Long::sum);
        return new Quantiles(more);
    }

    /// By nearest rank; null where nothing was counted.
    Long of(double quantile) {
        long all = counts.values().stream().mapToLong(Long::longValue).sum();
        long rank = Math.max(1, (long) Math.ceil(quantile * all));
        for (Map.Entry<Integer, Long> each : counts.entrySet()) {
            rank -= each.getValue();
            if (rank <= 0) {
                return Math.round(2 * Math.pow(GROWTH, each.getKey()) / (GROWTH + 1));
            }
        }
        return null;
    }
}
