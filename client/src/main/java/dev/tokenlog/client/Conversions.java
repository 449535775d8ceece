package dev.tokenlog.client;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionRequest.ConversionCancelRequested;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.Topic;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.common.TopicPartition;

/// Asks for conversions and follows them.
final class Conversions {

    private final Cluster cluster;

    Conversions(Cluster cluster) {
        this.cluster = cluster;
    }

    EventStream<ConversionEvent> convert(ConversionRequested asked) {
        ConversionRequested request =
                new ConversionRequested(
                        asked.conversionId() == null
                                ? UUID.randomUUID().toString()
                                : asked.conversionId(),
                        asked.modelId(),
                        asked.source(),
                        asked.revision(),
                        asked.recipe(),
                        asked.requestedBy() == null
                                ? cluster.options().requestedBy()
                                : asked.requestedBy());
        Map<TopicPartition, Long> from = cluster.ends(cluster.all(Topic.CONVERSION_EVENTS));
        EventStream<ConversionEvent> stream = follow(request.conversionId(), from);
        try {
            cluster.append(Topic.CONVERSION_REQUESTS, request.conversionId(), request);
        } catch (TokenlogException e) {
            stream.close();
            throw e;
        }
        return stream;
    }

    EventStream<ConversionEvent> follow(String conversionId) {
        return follow(conversionId, cluster.beginnings(cluster.all(Topic.CONVERSION_EVENTS)));
    }

    private EventStream<ConversionEvent> follow(String id, Map<TopicPartition, Long> from) {
        return cluster.stream(
                id,
                from,
                ConversionEvent.class,
                entry -> entry.event().conversionId().equals(id),
                Conversions::isLast);
    }

    private static boolean isLast(ConversionEvent event) {
        return switch (event) {
            case ConversionEvent.ConversionFinished _,
                    ConversionEvent.ConversionFailed _,
                    ConversionEvent.ConversionCancelled _ ->
                    true;
            case ConversionEvent.ConversionAccepted _,
                    ConversionEvent.SourceDownloading _,
                    ConversionEvent.SourceResolved _,
                    ConversionEvent.TensorConverted _,
                    ConversionEvent.ArtifactWritten _,
                    ConversionEvent.ProvenanceSigned _,
                    ConversionEvent.ManifestPublished _,
                    ConversionEvent.ConversionResumed _ ->
                    false;
        };
    }

    void cancel(String conversionId) {
        cluster.append(
                Topic.CONVERSION_REQUESTS,
                conversionId,
                new ConversionCancelRequested(conversionId, cluster.options().requestedBy()));
    }
}
