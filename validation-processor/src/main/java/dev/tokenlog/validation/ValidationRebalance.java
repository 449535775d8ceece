package dev.tokenlog.validation;

import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.KafkaConsumerRebalanceListener;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Collection;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;

/// Stops work on records that another process owns from now on.
@ApplicationScoped
@Identifier(ValidationRebalance.NAME)
public class ValidationRebalance implements KafkaConsumerRebalanceListener {

    static final String NAME = "tokenlog-validation";

    private final Validations validations;

    ValidationRebalance(Validations validations) {
        this.validations = validations;
    }

    @Override
    public void onPartitionsRevoked(
            Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        partitions.stream().map(TopicPartition::topic).distinct().forEach(validations::abandon);
    }

    @Override
    public void onPartitionsLost(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        onPartitionsRevoked(consumer, partitions);
    }
}
