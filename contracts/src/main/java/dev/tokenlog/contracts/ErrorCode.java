package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonEnumDefaultValue;

/// Every reason for which Tokenlog refuses or fails something, in one place. Names are part of the
/// contract.
public enum ErrorCode {
    /// The record's bytes are no JSON.
    UNREADABLE,
    /// JSON of another shape than its type asks for.
    INVALID_SHAPE,
    /// A type or version that this reader does not know.
    UNKNOWN_VERSION,
    /// The client sent something else under this generation id before.
    ID_CONFLICT,
    /// A chosen generation id that has the form of an assigned one (digits-digits), is empty or too
    /// long.
    INVALID_ID,
    MODEL_UNKNOWN,
    /// Known, but without a passing verdict or a promotion.
    MODEL_NOT_VALIDATED,
    MODEL_REVOKED,
    /// The artifact cannot be read or does not match its digest.
    MODEL_UNREADABLE,
    /// No trusted key has signed the model, and the worker's operator asks for one that has.
    SIGNATURE_REFUSED,
    /// Larger than what the worker may load; the message names both sizes.
    MODEL_TOO_LARGE,
    CONTEXT_TOO_LONG,
    PARAMETER_OUT_OF_RANGE,
    /// The chat template refused the messages.
    TEMPLATE_REFUSED,
    DEADLINE_PASSED,
    OVERLOADED,
    /// Larger than the topic takes.
    TOO_LARGE,
    /// A token record was larger than the topic takes.
    RECORD_TOO_LARGE,
    /// Rendering the prompt again gave other ids than the log holds.
    PROMPT_DIFFERS,
    /// Four attempts in a row died without a sign of life.
    POISON,
    /// Older than `max-age` when it would have been started or resumed.
    EXPIRED,
    /// A NaN or an infinity in activations or logits.
    NON_FINITE,
    SOURCE_NOT_FOUND,
    /// The source is there, but a token is missing or a licence has not been accepted.
    SOURCE_FORBIDDEN,
    /// The place of the source does not answer, or not now: trying again later may help.
    SOURCE_UNAVAILABLE,
    /// The FP32 baseline of a validation is not there any more.
    SOURCE_GONE,
    /// A model file is broken; the message names file, tensor and offset.
    SOURCE_UNREADABLE,
    /// A configuration asks for something that the engine does not do; the message names the field.
    UNSUPPORTED,
    /// The disk is full or a file cannot be written.
    STORAGE_FAILED,
    /// Records were deleted before anybody processed them.
    LOG_GAP,
    /// The log holds no such generation, or not any more.
    GENERATION_UNKNOWN,
    CANCELLED,
    /// A defect of ours.
    INTERNAL,
    /// What a reader sees in place of a code newer than itself. Never written.
    @JsonEnumDefaultValue
    UNRECOGNIZED
}
