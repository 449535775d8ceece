package dev.tokenlog.benchmarks;

import java.util.Arrays;
import java.util.Locale;

/// Durations in nanoseconds, sorted.
record Latencies(long[] sorted) {

    static Latencies between(long[] begin, long[] end) {
        long[] durations = new long[begin.length];
        for (int i = 0; i < begin.length; i++) {
            if (end[i] == 0) {
                throw new IllegalStateException("event " + i + " never arrived");
            }
            durations[i] = end[i] - begin[i];
        }
        return of(durations);
    }

    static Latencies of(long[] durations) {
        long[] sorted = durations.clone();
        Arrays.sort(sorted);
        return new Latencies(sorted);
    }

    /// The value that the given share of all does not exceed, in milliseconds.
    double quantile(double share) {
        int index = (int) Math.ceil(share * sorted.length) - 1;
        return sorted[Math.clamp(index, 0, sorted.length - 1)] / 1e6;
    }

    void print(int rate, int seconds) {
        System.out.printf(
                Locale.ROOT,
                "%d events at %d/s over %d s: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms%n",
                sorted.length,
                rate,
                seconds,
                quantile(0.5),
                quantile(0.9),
                quantile(0.99),
                quantile(1));
    }
}
