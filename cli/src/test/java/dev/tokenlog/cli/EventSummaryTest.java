package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import dev.tokenlog.contracts.ConversionRequest.Calibration;
import dev.tokenlog.contracts.ConversionRequest.Recipe;
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

    @Test
    void what_a_conversion_loses_on_purpose_is_told() {
        assertThat(EventSummary.details(accepted(new Recipe("int4", 32, "absmax"))))
                .startsWith("demo as int4, groups of 32, scales by absmax, asked for by nobody");
        assertThat(
                        EventSummary.details(
                                accepted(new Recipe("int4", 32, "absmax", null, "hadamard:0", 30))))
                .contains(
                        "scales by absmax, rotated by hadamard:0, 30 percent of each row lost, asked");
        assertThat(
                        EventSummary.details(
                                accepted(
                                        new Recipe(
                                                "int4",
                                                32,
                                                "lsq",
                                                new Calibration("gptq", null, null, null)))))
                .contains("scales by lsq, calibrated by gptq, asked");
    }

    private static ConversionAccepted accepted(Recipe recipe) {
        return new ConversionAccepted("c", "demo", "demo", recipe, null, "w", "e");
    }
}
