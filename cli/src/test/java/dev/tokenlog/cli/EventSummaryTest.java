package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import java.util.List;
import org.junit.jupiter.api.Test;

class EventSummaryTest {

    /// A tensor of zeros has none.
    @Test
    void aTensorWithoutARelativeError() {
        TensorConverted zeros =
                new TensorConverted(
                        "c",
                        1,
                        2,
                        "w",
                        List.of(2L, 32L),
                        "int8-g32",
                        "00",
                        68,
                        null,
                        0.0,
                        null,
                        68,
                        136);

        assertThat(EventSummary.details(zeros)).isEqualTo("1 of 2: w int8-g32, relative error -");
    }
}
