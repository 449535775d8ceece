package dev.tokenlog.contracts;

/// What stands as the value of a record on one of Tokenlog's topics. There is one sealed interface
/// per topic and one record per type; the record's simple name is its `type`, in the JSON body and
/// in the record header.
public sealed interface Event
        permits AccuracyEvent,
                ControlEvent,
                ConversionEvent,
                ConversionRequest,
                ModelManifest,
                ModelServing,
                PromptEvent,
                RegistryCommand,
                TokenEvent,
                Usage,
                ValidationRequest,
                WorkerEvent {

    /// The name that stands as `type` in body and header.
    default String type() {
        return getClass().getSimpleName();
    }
}
