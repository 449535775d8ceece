package dev.tokenlog.validation;

import dev.tokenlog.engine.evaluate.ComparisonReport;

/// Reports with the figures that matter to a verdict.
final class Reports {

    private Reports() {}

    static ComparisonReport of(boolean finite, double ratio, double divergence) {
        return new ComparisonReport(
                40,
                4096,
                finite,
                2.0,
                0.01,
                2.0 * ratio,
                0.01,
                divergence,
                0.1,
                0.2,
                0.3,
                0.97,
                35,
                "float-1/kv32",
                "cpu-2/kv16");
    }
}
