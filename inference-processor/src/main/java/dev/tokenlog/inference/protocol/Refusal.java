package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;

/// Why a prompt gets no answer.
///
/// @param deadLetter whether its bytes are kept on `dead-letters`, durably before anything else is
///   said about it
public record Refusal(ErrorCode code, String message, boolean deadLetter) {

    public Refusal(ErrorCode code, String message) {
        this(code, message, false);
    }
}
