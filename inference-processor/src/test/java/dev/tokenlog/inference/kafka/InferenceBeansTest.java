package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InferenceBeansTest {

    @ParameterizedTest
    @ValueSource(ints = {0, -1, 1025, 10_000})
    void aNumberOfThreadsThatCannotBeIsRefusedByItsKey(int threads) {
        assertThatThrownBy(() -> InferenceBeans.options("auto", OptionalInt.of(threads)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "tokenlog.inference.threads=%d: threads: 1 to 1024, not %d"
                                .formatted(threads, threads));
    }

    @Test
    void moreThreadsThanProcessorsAreTheOperatorsChoice() {
        assertThat(InferenceBeans.options("auto", OptionalInt.of(1024)).threads()).isEqualTo(1024);
        assertThat(InferenceBeans.options("auto", OptionalInt.empty()).threads()).isPositive();
    }
}
