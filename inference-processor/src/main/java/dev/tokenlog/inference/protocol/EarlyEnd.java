package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Supplier;

/// The reasons to end a generation that do not lie in its model: a cancel, its age, its deadline.
final class EarlyEnd {

    private final Worker worker;
    private final Prompt prompt;
    private final Supplier<Parameters> parameters;

    /// @param parameters those of the valid start, else the prompt's; null if it is refused
    EarlyEnd(Worker worker, Prompt prompt, Supplier<Parameters> parameters) {
        this.worker = worker;
        this.prompt = prompt;
        this.parameters = parameters;
    }

    /// Why it should not begin, or go on, now.
    Optional<Ending> now() {
        Optional<String> cancelled = worker.cancels().reason(prompt.key().generationId());
        if (cancelled.isPresent()) {
            return Optional.of(new Ending.Cancelled(cancelled.get()));
        }
        if (worker.now() - prompt.appendTime() > worker.settings().maxAge().toMillis()) {
            return Optional.of(
                    new Ending.Failed(
                            new Refusal(
                                    ErrorCode.EXPIRED,
                                    "older than max-age " + worker.settings().maxAge())));
        }
        OptionalLong deadline = deadline();
        return deadline.isPresent() && worker.now() >= deadline.getAsLong()
                ? Optional.of(deadlinePassed())
                : Optional.empty();
    }

    /// When the answer is worth nothing any more.
    OptionalLong deadline() {
        Parameters given = parameters.get();
        if (given == null || given.deadlineMs() == null) {
            return OptionalLong.empty();
        }
        long at = prompt.appendTime() + given.deadlineMs();
        return at < prompt.appendTime() ? OptionalLong.empty() : OptionalLong.of(at);
    }

    Ending deadlinePassed() {
        return new Ending.Failed(
                new Refusal(
                        ErrorCode.DEADLINE_PASSED,
                        "not done %d ms after it was appended"
                                .formatted(parameters.get().deadlineMs())));
    }
}
