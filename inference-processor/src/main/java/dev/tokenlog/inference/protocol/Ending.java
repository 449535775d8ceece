package dev.tokenlog.inference.protocol;

/// How an attempt ends its generation.
sealed interface Ending {

    record Finished(String reason, String stopSequence) implements Ending {}

    record Failed(Refusal refusal) implements Ending {}

    record Cancelled(String reason) implements Ending {}
}
