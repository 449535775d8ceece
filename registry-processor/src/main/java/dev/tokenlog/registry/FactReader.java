package dev.tokenlog.registry;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.CandidateReplayed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged;
import dev.tokenlog.contracts.AccuracyEvent.ReplayFailed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayVerified;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.UnreadableEventException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.kafka.common.header.Headers;

/// Turns a record of one of the three input topics into a [Fact].
///
/// The model id is the one in the body, since clients may use any key; only a tombstone, which has
/// no body, is taken by its key.
final class FactReader {

    private FactReader() {}

    /// @return empty for a record that the registry has no use for
    /// @throws UnreadableEventException if the record belongs into `dead-letters`
    static Optional<Fact> read(Topic topic, byte[] key, byte[] value, Headers headers)
            throws UnreadableEventException {
        return switch (topic) {
            case MODEL_MANIFESTS -> Optional.of(manifest(key, value, headers));
            case ACCURACY_METRICS -> verdict(EventJson.read(headers, value, AccuracyEvent.class));
            case REGISTRY_COMMANDS ->
                    Optional.of(
                            new Fact.Commanded(
                                    EventJson.read(headers, value, RegistryCommand.class)));
            default -> throw new IllegalArgumentException(topic + " is no input of the registry");
        };
    }

    private static Fact manifest(byte[] key, byte[] value, Headers headers)
            throws UnreadableEventException {
        if (value != null) {
            return new Fact.Published(EventJson.read(headers, value, ModelManifest.class));
        }
        if (key == null) {
            throw new UnreadableEventException(
                    ErrorCode.INVALID_SHAPE, "a tombstone without a key names no model");
        }
        return new Fact.Removed(new String(key, StandardCharsets.UTF_8));
    }

    private static Optional<Fact> verdict(AccuracyEvent event) {
        return switch (event) {
            case ValidationFinished finished -> Optional.of(new Fact.Judged(finished));
            case AccuracyMeasured _,
                    ReplayVerified _,
                    ReplayDiverged _,
                    ReplayFailed _,
                    CandidateReplayed _ ->
                    Optional.empty();
        };
    }
}
