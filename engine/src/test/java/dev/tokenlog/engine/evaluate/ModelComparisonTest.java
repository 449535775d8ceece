package dev.tokenlog.engine.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.generation.HashExecutor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ModelComparisonTest {

    private final HashExecutor one = new HashExecutor(64, 300);
    private final HashExecutor two = new HashExecutor(64, 300);

    private static int[] document(int length) {
        return IntStream.range(0, length).map(i -> 20 + i * 7 % 40).toArray();
    }

    @Test
    void readsDocumentsOfAnyLengthInChunks() {
        List<Long> told = new ArrayList<>();
        List<int[]> documents =
                List.of(document(1), document(2), document(200), document(0), document(65));
        ComparisonReport report =
                ModelComparison.compare(
                        one,
                        two,
                        documents,
                        (done, of) -> {
                            assertThat(of).isEqualTo(1 + 199 + 64);
                            told.add(done);
                            return true;
                        });
        assertThat(report.positions()).isEqualTo(264);
        assertThat(report.maxDivergence()).isZero();
        assertThat(report.top1Agreement()).isEqualTo(1);
        assertThat(report.perplexityRatio()).isEqualTo(1);
        assertThat(told).isSorted().endsWith(264L).hasSizeGreaterThan(5);
    }

    @Test
    void saysThatAModelComputedNoNumbers() {
        int[] poisoned = document(100);
        poisoned[70] = HashExecutor.POISON;
        ComparisonReport report =
                ModelComparison.compare(
                        one, two, List.of(document(10), poisoned), (done, of) -> true);
        assertThat(report.finite()).isFalse();
        assertThat(report.quantizedPerplexity()).isNaN();
        assertThat(report.positions()).isLessThan(80);
    }

    @Test
    void refusesWhatCannotBeCompared() {
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() ->
                        ModelComparison.compare(
                                one,
                                new HashExecutor(65, 300),
                                List.of(document(5)),
                                (done, of) -> true))
                .withMessageContaining("64 and 65");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        ModelComparison.compare(
                                one, two, List.of(document(1)), (done, of) -> true));
    }
}
