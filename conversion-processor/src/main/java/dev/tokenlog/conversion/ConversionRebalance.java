package dev.tokenlog.conversion;

import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.KafkaConsumerRebalanceListener;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Collection;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;

/// Stops work on requests that another process owns from now on.
@ApplicationScoped
@Identifier(ConversionRequests.CHANNEL)
public class ConversionRebalance implements KafkaConsumerRebalanceListener {

    private final ConversionRequests requests;

    ConversionRebalance(ConversionRequests requests) {
        this.requests = requests;
    }

    @Override
    public void onPartitionsRevoked(
            Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        if (!partitions.isEmpty()) {
            requests.abandon();
        }
    }

    @Override
    public void onPartitionsLost(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        onPartitionsRevoked(consumer, partitions);
    }
}
