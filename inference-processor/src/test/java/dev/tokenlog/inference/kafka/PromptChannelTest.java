package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.function.Supplier;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.DisconnectException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.WakeupException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What the channel asks the cluster when it gets partitions.
class PromptChannelTest {

    @Test
    void aClusterThatDoesNotAnswerIsAskedAgain() {
        Queue<KafkaException> failures =
                new ArrayDeque<>(List.of(new TimeoutException(), new DisconnectException()));
        Supplier<String> cluster =
                () -> {
                    if (!failures.isEmpty()) {
                        throw failures.remove();
                    }
                    return "answer";
                };
        assertThat(PromptChannel.answered(cluster)).isEqualTo("answer");
    }

    static List<KafkaException> lasting() {
        return List.of(new WakeupException(), new GroupAuthorizationException("group"));
    }

    /// Who leaves is woken, and what may not be asked is not allowed the second time either.
    @ParameterizedTest
    @MethodSource("lasting")
    void whatNoTryCanChangeIsThrown(KafkaException failure) {
        assertThatThrownBy(() ->
                        PromptChannel.answered(() -> {
                            throw failure;
                        }))
                .isSameAs(failure);
    }
}
