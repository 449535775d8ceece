package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.quarkus.runtime.configuration.DurationConverter;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigurationRangesTest {

    @ParameterizedTest
    @CsvSource({
        "tokens.size, 0",
        "tokens.interval, PT-0.001S",
        "defaults.max-tokens, 0",
        "limits.tokens, 0",
        "limits.generations, 0",
        "limits.generations, -1",
        "limits.sequences, 0",
        "limits.drafts, -1",
        "limits.held-prompts, 0",
        "limits.held-bytes, 0",
        "models.memory-bytes, 0",
        "snapshot-interval, PT0S",
        "hand-over-timeout, PT-1S",
        "rules.dedupe-window, PT-1S",
        "rules.max-age, PT-1S",
        "rules.clock-skew, PT-1S"
    })
    void whatWouldLeavePromptsWithoutAnAnswerIsRefusedByItsKey(String key, String value) {
        InferenceConfiguration configuration =
                configuration(Map.of("tokenlog.inference." + key, value));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ConfigurationRanges.require(configuration))
                .withMessageContaining("tokenlog.inference." + key + "=" + value);
    }

    @Test
    void whatIsSetByDefaultAndTheLeastOfEachAreFine() {
        assertThatCode(() -> ConfigurationRanges.require(configuration(Map.of())))
                .doesNotThrowAnyException();
        Map<String, String> least =
                Map.of(
                        "tokenlog.inference.limits.drafts", "0",
                        "tokenlog.inference.limits.generations", "1",
                        "tokenlog.inference.tokens.size", "1",
                        "tokenlog.inference.tokens.interval", "PT0S");
        assertThatCode(() -> ConfigurationRanges.require(configuration(least)))
                .doesNotThrowAnyException();
    }

    private static InferenceConfiguration configuration(Map<String, String> values) {
        return new SmallRyeConfigBuilder()
                .withConverter(Duration.class, 100, new DurationConverter())
                .withMapping(InferenceConfiguration.class)
                .withDefaultValues(values)
                .build()
                .getConfigMapping(InferenceConfiguration.class);
    }
}
