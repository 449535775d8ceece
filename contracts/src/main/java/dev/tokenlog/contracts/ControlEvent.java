package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/// Topic `generation-controls`, key generation id. Every worker reads all of it.
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes(
        @JsonSubTypes.Type(value = ControlEvent.CancelRequested.class, name = "CancelRequested"))
public sealed interface ControlEvent extends Event {

    String generationId();

    record CancelRequested(@Required String generationId, String reason, String requestedBy)
            implements ControlEvent {}
}
