package dev.tokenlog.validation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The limits are those of the product's requirements: perplexity ratio at most 1.02 at 8 and 1.15
/// at 4 bit, mean divergence at most 0.01 and 0.15 nats, everything finite.
class ValidationPolicyTest {

    @ParameterizedTest
    @CsvSource({
        "8, true, 1.00, 0.000, PASS",
        "8, true, 1.02, 0.010, PASS",
        "8, true, 1.0201, 0.001, FAIL",
        "8, true, 1.00, 0.0101, FAIL",
        "8, false, 1.00, 0.000, FAIL",
        "8, true, NaN, 0.000, FAIL",
        "8, true, 1.00, NaN, FAIL",
        "8, true, 0.90, 0.000, PASS",
        "4, true, 1.15, 0.150, PASS",
        "4, true, 1.1501, 0.100, FAIL",
        "4, true, 1.10, 0.1501, FAIL",
        "4, false, 1.10, 0.100, FAIL",
        "4, true, Infinity, 0.100, FAIL",
    })
    void judges(double bits, boolean finite, double ratio, double divergence, Verdict expected) {
        ValidationPolicy policy = ValidationPolicy.forBits(bits);

        assertThat(ValidationPolicy.verdict(policy.check(Reports.of(finite, ratio, divergence))))
                .isEqualTo(expected);
    }

    @Test
    void isNamedAfterItsBits() {
        assertThat(ValidationPolicy.forBits(8).name()).isEqualTo("default-8bit");
        assertThat(ValidationPolicy.forBits(4).name()).isEqualTo("default-4bit");
        assertThat(ValidationPolicy.forBits(1.58).name()).isEqualTo("default-4bit");
    }
}
