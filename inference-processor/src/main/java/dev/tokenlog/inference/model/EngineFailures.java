package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.inference.protocol.Refusal;

/// The engine's reasons under the contract's codes.
final class EngineFailures {

    private EngineFailures() {}

    static Refusal refusal(Throwable failure) {
        if (failure instanceof EngineException e) {
            return new Refusal(code(e.reason()), e.getMessage());
        }
        if (failure instanceof ModelTooLargeException) {
            return new Refusal(ErrorCode.MODEL_TOO_LARGE, failure.getMessage());
        }
        return new Refusal(ErrorCode.INTERNAL, failure.toString());
    }

    private static ErrorCode code(EngineException.Reason reason) {
        return switch (reason) {
            // To the caller of a served model it is all the same why it cannot be read.
            case SOURCE_NOT_FOUND,
                    SOURCE_FORBIDDEN,
                    SOURCE_UNAVAILABLE,
                    SOURCE_UNREADABLE,
                    MODEL_UNREADABLE,
                    STORAGE_FAILED ->
                    ErrorCode.MODEL_UNREADABLE;
            case SIGNATURE_REFUSED -> ErrorCode.SIGNATURE_REFUSED;
            case UNSUPPORTED -> ErrorCode.UNSUPPORTED;
            case CONTEXT_TOO_LONG -> ErrorCode.CONTEXT_TOO_LONG;
            case PARAMETER_OUT_OF_RANGE -> ErrorCode.PARAMETER_OUT_OF_RANGE;
            case TEMPLATE_REFUSED -> ErrorCode.TEMPLATE_REFUSED;
            case NON_FINITE -> ErrorCode.NON_FINITE;
        };
    }
}
