package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class YardstickTest {

    @Test
    void everyThreadWorks() {
        AtomicInteger parts = new AtomicInteger();

        Yardstick.onAllThreads(3, part -> parts.addAndGet(1 << part));

        assertThat(parts).hasValue(0b111);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void whatAThreadThrowsIsThrownAfterTheOthersHaveEnded(int failing) {
        AtomicInteger ended = new AtomicInteger();

        assertThatThrownBy(() ->
                        Yardstick.onAllThreads(
                                3,
                                part -> {
                                    if (part == failing) {
                                        throw new IllegalStateException("part " + part);
                                    }
                                    ended.incrementAndGet();
                                }))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("part " + failing);
        assertThat(ended).hasValue(2);
    }
}
