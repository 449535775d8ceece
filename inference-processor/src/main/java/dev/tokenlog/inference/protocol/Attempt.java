package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.TokenLogprob;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.inference.protocol.Inference.Preparation;
import dev.tokenlog.inference.protocol.Inference.PreparedPrompt;
import dev.tokenlog.inference.protocol.Inference.Preparing;
import dev.tokenlog.inference.protocol.Inference.Run;
import dev.tokenlog.inference.protocol.Inference.RunListener;
import dev.tokenlog.inference.protocol.Inference.Saved;
import dev.tokenlog.inference.protocol.Inference.Work;
import dev.tokenlog.inference.protocol.ModelGate.Admitted;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// What a worker publishes under a claim that holds: tokens in groups, then one terminal event,
/// which is sent only after all tokens are acknowledged.
final class Attempt implements RunListener {

    private static final long DEAD_LETTER_RETRY_MILLIS = 500;

    private final Generation generation;
    private final Worker worker;
    private final int number;
    private final AttemptTimes times;

    /// Valid tokens before this attempt, then its own, published or not.
    private int[] ids;

    private int count;
    private int published;
    private final StringBuilder text = new StringBuilder();
    private final List<TokenLogprob> logprobs = new ArrayList<>();
    private final Runnable groupIsDue = this::groupIsDue;
    private int unacknowledged;
    private boolean shownLife;

    private Preparing preparing = () -> {};
    private PreparedPrompt prepared;
    private Run run;
    private boolean running;
    private Ending ending;
    private boolean refusing;
    private boolean leaving;
    private boolean truncated;
    private boolean terminalSent;
    private boolean abandoned;

    Attempt(Generation generation, int number, int[] done) {
        this.generation = generation;
        this.worker = generation.worker();
        this.number = number;
        this.ids = done;
        this.count = done.length;
        this.published = done.length;
        this.times = new AttemptTimes(generation.prompt().appendTime(), worker.now());
    }

    int number() {
        return number;
    }

    /// Nothing more is published under this attempt.
    void abandon() {
        abandoned = true;
        worker.groups().remove(groupIsDue);
        preparing.cancel();
        if (running) {
            run.stop();
        }
    }

    // ---- Running

    void run(Admitted model, Parameters parameters, UnsignedSeed seed, boolean alone) {
        Prompt prompt = generation.prompt();
        Work work =
                new Work(
                        generation.key().generationId(),
                        model.modelId(),
                        model.modelDigest(),
                        model.location(),
                        prompt.parsed().prompt(),
                        prompt.appendTime(),
                        parameters,
                        seed.bits());
        preparing =
                worker.ports()
                        .inference()
                        .prepare(
                                work,
                                preparation -> {
                                    if (!abandoned && ending == null && !leaving) {
                                        prepared(preparation, alone);
                                    } else if (preparation
                                            instanceof Preparation.Ready(PreparedPrompt late)) {
                                        late.discard();
                                    }
                                });
    }

    private void prepared(Preparation preparation, boolean alone) {
        switch (preparation) {
            case Preparation.Refused(Refusal refusal) -> refuse(refusal);
            case Preparation.Ready(PreparedPrompt prompt) -> {
                prepared = prompt;
                times.prepared(worker.now());
                Optional<String> before = generation.log().promptHash();
                if (before.isPresent() && !before.get().equals(prompt.promptHash())) {
                    prompt.discard();
                    refuse(
                            new Refusal(
                                    ErrorCode.PROMPT_DIFFERS,
                                    "rendered and tokenized again, the prompt has hash %s, in the log %s"
                                            .formatted(prompt.promptHash(), before.get())));
                    return;
                }
                running = true;
                run = prompt.start(Arrays.copyOf(ids, count), alone, this);
            }
        }
    }

    @Override
    public void token(int id, String added, TokenLogprob logprob) {
        if (abandoned || truncated) {
            return;
        }
        times.token(worker.now());
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, Math.max(32, 2 * count));
        }
        ids[count++] = id;
        text.append(added);
        if (logprob != null) {
            logprobs.add(logprob);
        }
        int waiting = count - published;
        if (!shownLife) {
            worker.reached(HaltPoint.BEFORE_FIRST_TOKEN, generation, number);
            publish();
        } else if (waiting >= worker.settings().groupTokens()) {
            publish();
        } else if (waiting == 1) {
            worker.groups().add(groupIsDue);
        }
    }

    @Override
    public void stepEnded() {
        worker.groups().stepEnded();
    }

    private void groupIsDue() {
        if (!abandoned) {
            publish();
        }
    }

    @Override
    public void finished(String reason, String stopSequence, Saved saved) {
        stoppedRunning();
        worker.reached(HaltPoint.AFTER_LAST_TOKEN, generation, number);
        times.saved(saved);
        if (ending == null || ending instanceof Ending.Cancelled) {
            // It was quicker than whoever wanted to stop it.
            ending = new Ending.Finished(reason, stopSequence);
        }
        conclude();
    }

    @Override
    public void failed(ErrorCode code, String message) {
        stoppedRunning();
        if (ending == null) {
            ending = new Ending.Failed(new Refusal(code, message));
        }
        conclude();
    }

    @Override
    public void stopped() {
        stoppedRunning();
        conclude();
    }

    private void stoppedRunning() {
        running = false;
    }

    // ---- Publishing

    private void publish() {
        worker.groups().remove(groupIsDue);
        if (count == published) {
            return;
        }
        send(Arrays.stream(ids, published, count).boxed().toList());
    }

    private void send(List<Integer> group) {
        boolean first = published == 0 && prepared != null;
        int index = published;
        TokensGenerated event =
                new TokensGenerated(
                        generation.key().generationId(),
                        generation.key().promptOffset(),
                        number,
                        index,
                        group,
                        text.toString(),
                        logprobs.isEmpty() ? null : List.copyOf(logprobs),
                        first ? prepared.promptTokens() : null,
                        first ? prepared.promptHash() : null);
        published += group.size();
        text.setLength(0);
        logprobs.clear();
        shownLife = true;
        unacknowledged++;
        worker.send(generation, event, result -> tokensSent(index, result));
    }

    private void tokensSent(int index, SendResult result) {
        unacknowledged--;
        if (abandoned) {
            return;
        }
        switch (result) {
            case SendResult.Acknowledged _ -> {
                if (running) {
                    worker.reached(HaltPoint.BETWEEN_GROUPS, generation, number);
                }
            }
            case SendResult.Failed(String message) -> {
                generation.lose("tokens from " + index + " not sent: " + message);
                return;
            }
            case SendResult.TooLarge(String message) -> truncate(index, message);
        }
        if (!running) {
            conclude();
        }
    }

    /// Tokens from this index on will never be in the log.
    private void truncate(int index, String message) {
        if (!truncated || index < count) {
            truncated = true;
            count = index;
            published = index;
            text.setLength(0);
            logprobs.clear();
        }
        ending = new Ending.Failed(new Refusal(ErrorCode.RECORD_TOO_LARGE, message));
        if (running) {
            run.stop();
        }
    }

    // ---- Ending

    /// Ends the generation for this reason, with the tokens that the engine has made until it
    /// stops.
    void end(Ending reason) {
        if (ending != null || leaving) {
            return;
        }
        ending = reason;
        preparing.cancel();
        if (running) {
            run.stop();
        } else {
            conclude();
        }
    }

    /// The same, with the prompt's bytes kept first where the reason asks for it.
    void refuse(Refusal refusal) {
        if (!refusal.deadLetter()) {
            end(new Ending.Failed(refusal));
            return;
        }
        refusing = true;
        worker.deadLetter(
                generation.prompt(),
                refusal,
                number,
                result -> {
                    if (abandoned || leaving) {
                        return;
                    }
                    if (result instanceof SendResult.Failed) {
                        worker.after(
                                DEAD_LETTER_RETRY_MILLIS,
                                () -> {
                                    if (!abandoned && !leaving) {
                                        refuse(refusal);
                                    }
                                });
                    } else {
                        end(new Ending.Failed(refusal));
                    }
                });
    }

    /// Finishes the step and leaves the rest to the log.
    void handOver() {
        leaving = true;
        preparing.cancel();
        if (running) {
            run.stop();
        } else {
            conclude();
        }
    }

    /// The engine is still: says what is left to say, in order, each after what must come before
    /// it.
    private void conclude() {
        if (abandoned || running || terminalSent || (ending == null && !leaving)) {
            return;
        }
        publish();
        if (ending == null && !shownLife && !refusing) {
            // So that this attempt does not count as one that died of its prompt.
            send(List.of());
        }
        if (unacknowledged > 0) {
            return;
        }
        if (ending == null) {
            generation.leave();
            return;
        }
        worker.reached(HaltPoint.BEFORE_END, generation, number);
        terminalSent = true;
        worker.send(generation, terminal(), this::terminalSent);
    }

    private void terminalSent(SendResult result) {
        if (abandoned) {
            return;
        }
        switch (result) {
            case SendResult.Acknowledged _ -> {
                worker.reached(HaltPoint.AFTER_END, generation, number);
                if (leaving) {
                    generation.leave();
                }
                // Otherwise the prompt is done when the event has been read back.
            }
            case SendResult.Failed(String message) ->
                    generation.lose("its end was not sent: " + message);
            case SendResult.TooLarge(String message) ->
                    generation.lose("its end is too large: " + message);
        }
    }

    private Terminal terminal() {
        int promptTokens = prepared != null ? prepared.promptTokens() : generation.promptTokens();
        return new TerminalEvents(generation.key(), number, Arrays.copyOf(ids, count), promptTokens)
                .of(ending, times.timings(worker.now(), peakMemory()));
    }

    private OptionalLong peakMemory() {
        return prepared == null ? OptionalLong.empty() : prepared.peakMemoryBytes();
    }
}
