package dev.tokenlog.engine.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/// Distributions over two tokens, worked out by hand.
class DivergenceTest {

    private static float[] logits(double p) {
        // any constant may be added to logits
        return new float[] {0, (float) (Math.log(p) + 3), (float) (Math.log(1 - p) + 3)};
    }

    @Test
    void sumsUpAsWorkedOutByHand() {
        Divergence divergence = new Divergence(2, 100);
        divergence.beginDocument();
        divergence.add(logits(0.5), 1, logits(0.5), 1, 0);
        divergence.add(logits(0.25), 1, logits(0.5), 1, 0);
        divergence.beginDocument();
        for (int i = 0; i < 98; i++) {
            divergence.add(logits(0.5), 1, logits(0.5), 1, 1);
        }
        ComparisonReport report = divergence.report(true, 2, "a", "b");

        // KL((1/2, 1/2) || (1/4, 3/4)) = ½ log(½/¼) + ½ log(½/¾)
        double kl = 0.5 * Math.log(2) + 0.5 * Math.log(2 / 3.0);
        assertThat(report.positions()).isEqualTo(100);
        assertThat(report.meanDivergence()).isCloseTo(kl / 100, within(1e-9));
        assertThat(report.maxDivergence()).isCloseTo(kl, within(1e-7));
        assertThat(report.divergence99()).isCloseTo(0, within(1e-7));
        assertThat(report.divergence999()).isCloseTo(kl, within(1e-7));
        assertThat(report.baselinePerplexity()).isCloseTo(2, within(1e-6));
        // 99 tokens at ½ and one at ¼
        assertThat(report.quantizedPerplexity()).isCloseTo(Math.pow(2, 1.01), within(1e-6));
        assertThat(report.baselinePerplexityError()).isCloseTo(0, within(1e-6));
        // losses log 2 (99 times) and 2 log 2: standard deviation log 2 · √(0.01 · 0.99)
        assertThat(report.quantizedPerplexityError())
                .isCloseTo(Math.pow(2, 1.01) * Math.log(2) * Math.sqrt(0.0099) / 10, within(1e-6));
        // the second position differs: 1 leading one in the first document, 98 in the second
        assertThat(report.top1Agreement()).isEqualTo(0.99);
        assertThat(report.firstGreedyDivergence()).isEqualTo(49.5);
    }

    @Test
    void tellsNothingWhereNumbersAreNone() {
        ComparisonReport report = new Divergence(2, 5).report(false, 1, "a", "b");
        assertThat(report.finite()).isFalse();
        assertThat(report.meanDivergence()).isNaN();
        assertThat(report.perplexityRatio()).isNaN();
    }
}
