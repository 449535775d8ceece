package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.GenerationLog.Applied;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.Claim;
import dev.tokenlog.contracts.TokenEvent.GenerationResumed;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.UnsignedSeed;
import dev.tokenlog.inference.protocol.ModelGate.Admitted;
import dev.tokenlog.inference.protocol.ModelGate.Choice;
import dev.tokenlog.inference.protocol.ModelGate.Refused;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/// One unfinished generation of a partition that is assigned to this worker: claims it, reads the
/// log up to its claim, lets an [Attempt] publish while the claim holds, and claims again where the
/// rules allow it.
final class Generation {

    private static final Logger LOG = System.getLogger(Generation.class.getName());

    private static final long FIRST_BACKOFF_MILLIS = 100;
    private static final long LAST_BACKOFF_MILLIS = 5_000;

    /// Tokens of an answer that are counted before it begins.
    private static final int FIRST_TOKENS = 32;

    /// In tokens, of a model that nobody knows; its prompts are refused when it is their turn.
    private static final long UNKNOWN_CONTEXT = 1 << 20;

    /// About, of a prompt's record.
    private static final int BYTES_PER_TOKEN = 3;

    private enum Phase {
        /// Waits for a place.
        WAITING,
        /// Asks the registry.
        RESOLVING,
        /// Its claim is on the way; publishes nothing before it has read it back.
        CLAIMING,
        /// Its claim is the last valid one, as far as it has read.
        HOLDING,
        /// Lost its attempt; proves that the partition is still its own before it claims again.
        LOST,
        OVER
    }

    private final Partition partition;
    private final Prompt prompt;
    private final GenerationLog log;
    private final Worker worker;
    private final List<Prompt> repeats = new ArrayList<>();
    private final EarlyEnd earlyEnd;
    private Phase phase = Phase.WAITING;
    private ProtocolClock.Cancellable deadline = () -> {};
    private Choice choice;
    private int claimed;
    private int losses;
    private Attempt attempt;
    private boolean quarantined;
    private int promptTokens;

    /// Why it is refused without having waited; null if it is not.
    private Refusal refusal;

    Generation(Partition partition, Prompt prompt, GenerationLog log) {
        this.partition = partition;
        this.prompt = prompt;
        this.log = log;
        this.worker = partition.worker();
        this.earlyEnd = new EarlyEnd(worker, prompt, this::parameters);
        earlyEnd.deadline()
                .ifPresent(at ->
                        deadline =
                                worker.after(Math.max(0, at - worker.now()), this::deadlinePassed));
    }

    GenerationKey key() {
        return prompt.key();
    }

    Prompt prompt() {
        return prompt;
    }

    /// A later prompt under the same id: answered by this generation.
    void repeatedBy(Prompt later) {
        repeats.add(later);
    }

    List<Prompt> repeats() {
        return repeats;
    }

    GenerationLog log() {
        return log;
    }

    Partition partition() {
        return partition;
    }

    Worker worker() {
        return worker;
    }

    int promptTokens() {
        return promptTokens;
    }

    // ---- Admission

    /// Attempts before this one died without a sign of life: it must not take neighbours along.
    boolean isSuspect() {
        return log.silentAttempts() >= WorkerSettings.ALONE_AFTER;
    }

    /// Runs, as a suspect, and has not shown a sign of life yet.
    boolean isQuarantined() {
        return quarantined;
    }

    /// Whether it would run, rather than be refused or ended at once.
    boolean needsEngine() {
        return prompt.parsed().refusal().isEmpty() && refusal == null && earlyEnd.now().isEmpty();
    }

    /// Nobody knows any more whether it had begun, and what its readers have: it must not begin a
    /// second time.
    void beginningIsLost() {
        prompt.beginningIsLost();
        refusal =
                new Refusal(
                        ErrorCode.LOG_GAP,
                        "tokens were deleted before this prompt was done, its own may be among them",
                        true);
    }

    /// Whose turn it takes: see `docs/events.md`.
    String fairnessKey() {
        return prompt.parsed().fairnessKey();
    }

    int priority() {
        Parameters parameters = parameters();
        return parameters == null ? 0 : parameters.priority();
    }

    /// The tokens that it asks for: its prompt, about, and the longest answer that it allows.
    long asked() {
        Parameters parameters = parameters();
        long wanted = promptEstimate() + (parameters == null ? 0 : parameters.maxTokens());
        return Math.min(wanted, contextLength());
    }

    /// What of them is not asked for any more now that it leaves: all, if it is finished, else what
    /// was made.
    long drained() {
        boolean finished =
                log.end().filter(TokenEvent.GenerationFinished.class::isInstance).isPresent();
        return finished ? asked() : promptEstimate() + log.tokenCount();
    }

    private long promptEstimate() {
        return prompt.record().bytes() / BYTES_PER_TOKEN;
    }

    boolean hasDeadline() {
        return earlyEnd.deadline().isPresent();
    }

    /// Told, before it waits, when it would be done. One that has begun is not given up for that.
    ///
    /// @param done in so many milliseconds; empty if nobody knows
    /// @return whether it is refused, since nobody would want its answer then
    boolean isTooLate(OptionalLong done) {
        OptionalLong deadline = earlyEnd.deadline();
        if (done.isEmpty() || deadline.isEmpty() || log.attempt() > 0) {
            return false;
        }
        long left = deadline.getAsLong() - worker.now();
        if (done.getAsLong() <= left) {
            return false;
        }
        refusal =
                new Refusal(
                        ErrorCode.OVERLOADED,
                        "about %d ms until it is done, its deadline is in %d ms"
                                .formatted(done.getAsLong(), left));
        return true;
    }

    /// About what it takes in tokens when it begins, before anybody has tokenized it. What it grows
    /// to is the engine's affair, which lets the last in rank give way when memory runs out.
    long cost() {
        Parameters parameters = parameters();
        if (!needsEngine() || parameters == null) {
            return 0;
        }
        long wanted =
                promptEstimate()
                        + log.tokenCount()
                        + Math.min(parameters.maxTokens(), FIRST_TOKENS);
        return Math.min(wanted, contextLength());
    }

    /// In tokens: no generation is longer, whatever it allows.
    private long contextLength() {
        return worker.ports()
                .models()
                .find(prompt.parsed().modelId())
                .map(ModelServing::current)
                .map(version -> (long) version.contextLength())
                .filter(length -> length > 0)
                .orElse(UNKNOWN_CONTEXT);
    }

    /// It has a place.
    void begin() {
        quarantined = isSuspect();
        phase = Phase.RESOLVING;
        if (prompt.parsed().refusal().isPresent()) {
            chosen(new Refused(prompt.parsed().refusal().get(), null));
        } else if (refusal != null) {
            // Without a digest: whoever finds this start does not run it either.
            chosen(new Refused(refusal, null));
        } else {
            worker.gate().choose(prompt, log, this::chosen);
        }
    }

    private void chosen(Choice decided) {
        if (phase != Phase.RESOLVING) {
            return;
        }
        if (partition.isLeaving()) {
            leave();
            return;
        }
        choice = decided;
        claim();
    }

    // ---- Claim and fence

    private void claim() {
        phase = Phase.CLAIMING;
        claimed = log.nextAttempt();
        int number = claimed;
        worker.reached(HaltPoint.BEFORE_CLAIM, this, number);
        TokenEvent claim =
                number == 1
                        ? started()
                        : new GenerationResumed(
                                key().generationId(),
                                key().promptOffset(),
                                number,
                                worker.settings().workerId(),
                                worker.ports().inference().numericsId());
        worker.send(
                this,
                claim,
                result -> {
                    if (claimed != number || phase == Phase.LOST || phase == Phase.OVER) {
                        return;
                    }
                    switch (result) {
                        case SendResult.Acknowledged _ -> {
                            if (phase == Phase.CLAIMING) {
                                worker.reached(
                                        number == 1 ? HaltPoint.IN_CLAIM : HaltPoint.IN_RESUME,
                                        this,
                                        number);
                            }
                        }
                        case SendResult.Failed(String message) ->
                                lose("claim not sent: " + message);
                        case SendResult.TooLarge(String message) -> claimTooLarge(message);
                    }
                });
    }

    private GenerationStarted started() {
        Admitted model = choice instanceof Admitted admitted ? admitted : null;
        return new GenerationStarted(
                key().generationId(),
                1,
                prompt.parsed().modelId(),
                choice.modelDigest(),
                model == null ? null : worker.ports().inference().numericsId(),
                prompt.parsed().seed(),
                prompt.parsed().parameters(),
                key().promptOffset(),
                prompt.parsed().bodyHash(),
                worker.settings().workerId());
    }

    /// A topic that does not even take a claim: all that can be done is to keep the prompt.
    private void claimTooLarge(String message) {
        phase = Phase.LOST;
        Refusal refusal = new Refusal(ErrorCode.RECORD_TOO_LARGE, message, true);
        worker.deadLetter(
                prompt,
                refusal,
                log.attempt(),
                result -> {
                    if (phase == Phase.OVER) {
                        return;
                    }
                    if (result instanceof SendResult.Failed) {
                        worker.after(LAST_BACKOFF_MILLIS, () -> retryTooLarge(message));
                    } else {
                        over();
                        partition.ended(this);
                    }
                });
    }

    private void retryTooLarge(String message) {
        if (phase != Phase.OVER) {
            claimTooLarge(message);
        }
    }

    /// The log of this generation has gone on by this event.
    void observed(TokenEvent event, Applied applied) {
        if (event instanceof TokensGenerated tokens && tokens.promptTokens() != null) {
            promptTokens = tokens.promptTokens();
        }
        if (phase == Phase.OVER) {
            return;
        }
        if (log.ended()) {
            ended();
            return;
        }
        switch (phase) {
            case CLAIMING -> {
                if (event instanceof Claim claim && isOwn(claim)) {
                    fence(applied.valid());
                }
            }
            case HOLDING -> {
                if (applied instanceof Applied.Claimed) {
                    lose("attempt " + log.attempt() + " was claimed by " + holder());
                } else if (event instanceof TokenEvent.Terminal
                        && event.attempt() == attempt.number()
                        && !applied.valid()) {
                    lose("its end is void");
                } else if (applied instanceof Applied.Extended && quarantined) {
                    quarantined = false;
                    worker.admission().pump();
                }
            }
            case WAITING, RESOLVING, LOST, OVER -> {}
        }
    }

    private boolean isOwn(Claim claim) {
        return claim.attempt() == claimed
                && claim.workerId() != null
                && claim.workerId().equals(worker.settings().workerId());
    }

    private String holder() {
        return log.holder().map(Claim::workerId).orElse("nobody");
    }

    /// The log up to the own claim is final: it says whether the claim counts and what came before.
    private void fence(boolean valid) {
        if (!valid) {
            lose("attempt " + claimed + " is void, held by " + holder());
            return;
        }
        phase = Phase.HOLDING;
        attempt = new Attempt(this, claimed, log.tokens());
        int silent = log.silentAttemptsBefore(claimed);
        if (partition.isLeaving()) {
            attempt.handOver();
        } else if (silent >= WorkerSettings.POISON_AFTER) {
            attempt.refuse(
                    new Refusal(
                            ErrorCode.POISON,
                            silent + " attempts in a row ended without a sign of life",
                            true));
        } else if (refusal != null) {
            attempt.refuse(refusal);
        } else if (earlyEnd.now().isPresent()) {
            attempt.end(earlyEnd.now().get());
        } else if (worker.gate().stopped(choice).isPresent()) {
            attempt.refuse(worker.gate().stopped(choice).get());
        } else {
            switch (choice) {
                case Refused refused -> attempt.refuse(refused.refusal());
                case Admitted model -> attempt.run(model, parameters(), seed(), quarantined);
            }
        }
    }

    private Parameters parameters() {
        return log.started()
                .map(GenerationStarted::parameters)
                .map(worker.parser()::completed)
                .orElse(prompt.parsed().parameters());
    }

    private UnsignedSeed seed() {
        return log.started().map(GenerationStarted::seed).orElse(prompt.parsed().seed());
    }

    // ---- Reasons to end early

    private void deadlinePassed() {
        endEarly(earlyEnd.deadlinePassed());
    }

    /// Somebody asked for its end.
    void cancelled(String reason) {
        endEarly(new Ending.Cancelled(reason));
    }

    /// The registry says something new.
    void modelsChanged() {
        if (phase == Phase.HOLDING) {
            worker.gate()
                    .stopped(choice)
                    .ifPresent(refusal -> attempt.end(new Ending.Failed(refusal)));
        }
    }

    private void endEarly(Ending ending) {
        if (phase == Phase.HOLDING) {
            attempt.end(ending);
        } else if (phase == Phase.WAITING) {
            worker.admission().endsEarly(this);
        }
    }

    // ---- The end of an attempt

    /// Publishes nothing more under its attempt; claims again once the group has shown that the
    /// partition is still this worker's.
    void lose(String why) {
        LOG.log(
                Level.INFO,
                "generation={0} partition={1} prompt={2,number,#} attempt={3,number,#} lost: {4}",
                key().generationId(),
                partition.number(),
                key().promptOffset(),
                claimed,
                why);
        abandonAttempt();
        phase = Phase.LOST;
        worker.admission().left(this);
        if (partition.isLeaving()) {
            leave();
            return;
        }
        long backoff =
                Math.min(FIRST_BACKOFF_MILLIS << Math.min(losses++, 10), LAST_BACKOFF_MILLIS);
        worker.after(
                backoff,
                () -> {
                    if (phase == Phase.LOST) {
                        partition.proveOwnership(this::claimAgain);
                    }
                });
    }

    private void claimAgain() {
        if (phase == Phase.LOST) {
            phase = Phase.WAITING;
            worker.admission().offer(this);
        }
    }

    private void ended() {
        worker.reached(HaltPoint.BEFORE_COMMIT, this, log.attempt());
        over();
        partition.ended(this);
    }

    /// Has nothing in hand any more; the rest is left to the log.
    void leave() {
        over();
        partition.left(this);
    }

    /// The partition is not this worker's any more.
    void drop() {
        over();
    }

    private void over() {
        abandonAttempt();
        phase = Phase.OVER;
        deadline.cancel();
        worker.admission().left(this);
    }

    private void abandonAttempt() {
        quarantined = false;
        if (attempt != null) {
            attempt.abandon();
            attempt = null;
        }
    }

    /// Finishes its step, stops, and leaves the rest to the log.
    void handOver() {
        switch (phase) {
            case WAITING, RESOLVING, LOST -> leave();
            // The claim is out: reads it back first, so that its sign of life has the right index.
            case CLAIMING -> {}
            case HOLDING -> attempt.handOver();
            case OVER -> {}
        }
    }
}
