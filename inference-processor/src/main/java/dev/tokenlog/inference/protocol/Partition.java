package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.GenerationLog.Applied;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import dev.tokenlog.inference.protocol.TokenTopic.StartingPoint;
import dev.tokenlog.inference.protocol.TokenTopic.TokenRecord;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.Consumer;

/// One partition number while it is assigned to this worker: its prompts, what its tokens say, and
/// how far it may commit. Forgotten when the assignment ends; a new assignment is a new object.
final class Partition implements CommitLoop.Progress {

    private static final Logger LOG = System.getLogger(Partition.class.getName());

    /// How long after a refused commit or dead letter it is tried again.
    static final long RETRY_MILLIS = 500;

    /// How often ids that nobody can repeat any more are looked for.
    private static final long FORGET_MILLIS = 60_000;

    private enum Phase {
        /// Reads what the log says before it does anything.
        READING,
        OPEN,
        /// Hands over what runs, begins nothing.
        LEAVING,
        GONE
    }

    private final Worker worker;
    private final Assignment assignment;
    private final PromptSequence sequence;
    private final CommitLoop commits;
    private final GapReport gap;
    private final DedupeWindow window;
    private final TreeMap<Long, Prompt> uncommitted = new TreeMap<>();
    private final GenerationLogs logs = new GenerationLogs();
    private final Map<GenerationKey, Generation> live = new HashMap<>();
    private Phase phase = Phase.READING;
    private long lastPromptTime = Long.MIN_VALUE;
    private long tokensRead;
    private long tokensAtOpening;
    private long deletedBefore = Long.MIN_VALUE;
    private OptionalLong tokensSince = OptionalLong.empty();
    private long promptsBefore;
    private long forgotAt;
    private int pastPrompts;
    private long pastEvents;
    private Consumer<Optional<Commit>> handedOver;

    Partition(Worker worker, Assignment assignment) {
        this.worker = worker;
        this.assignment = assignment;
        this.sequence =
                new PromptSequence(
                        number(), assignment.committed(), worker.ports().prompts(), this::accept);
        this.commits = new CommitLoop(worker, number(), assignment.committed(), this);
        // An unchanged offset is committed, so that the next owner does not report it again.
        this.gap = new GapReport(worker, assignment, () -> proveOwnership(() -> {}));
        this.window = new DedupeWindow(worker.settings().dedupeWindow().toMillis());
    }

    int number() {
        return assignment.partition();
    }

    @Override
    public boolean isOpen() {
        return phase == Phase.OPEN && gap.isDone();
    }

    boolean isReading() {
        return phase == Phase.READING;
    }

    boolean isLeaving() {
        return phase == Phase.LEAVING || phase == Phase.GONE;
    }

    Worker worker() {
        return worker;
    }

    Collection<Generation> live() {
        return List.copyOf(live.values());
    }

    // ---- Assignment: know what the log says, then begin.

    void open() {
        gap.send();
        worker.ports()
                .prompts()
                .past(
                        number(),
                        commits.committed(),
                        worker.settings().dedupeWindow().toMillis(),
                        this::pastRead);
    }

    private void pastRead(PromptTopic.Past past) {
        if (phase != Phase.READING) {
            return;
        }
        pastPrompts = past.prompts().size();
        promptsBefore = past.end();
        for (PromptTopic.PastPrompt prompt : past.prompts()) {
            window.past(
                    new GenerationKey(prompt.offset(), prompt.generationId()), prompt.appendTime());
        }
        past.uncommitted().forEach(this::offer);
        StartingPoint from =
                assignment.safeBeginning().isPresent()
                        ? new StartingPoint.Offset(assignment.safeBeginning().getAsLong())
                        : new StartingPoint.AppendTime(
                                past.firstUncommittedTime().orElse(worker.now())
                                        - worker.settings().clockSkew().toMillis());
        worker.ports()
                .tokens()
                .follow(
                        number(),
                        from,
                        new TokenTopic.Reader() {
                            @Override
                            public void beginningDeleted(long before) {
                                deletedBefore = before;
                            }

                            @Override
                            public void records(List<TokenRecord> records, long next) {
                                read(records, next);
                            }

                            @Override
                            public void reachedEnd() {
                                opened();
                            }
                        });
    }

    private void opened() {
        if (phase != Phase.READING) {
            return;
        }
        phase = Phase.OPEN;
        tokensAtOpening = tokensRead;
        LOG.log(
                Level.INFO,
                "partition={0} open: committed={1,number,#} prompts={2,number,#} unfinished={3,number,#}"
                        + " past_prompts={4,number,#} past_events={5,number,#}",
                number(),
                commits.committed(),
                uncommitted.size(),
                logs.unfinished(),
                pastPrompts,
                pastEvents);
        for (Prompt prompt : List.copyOf(uncommitted.values())) {
            take(prompt);
        }
        commits.advance();
    }

    // ---- Prompts

    void offer(PromptRecord record) {
        sequence.offer(record);
    }

    private void accept(PromptRecord record) {
        lastPromptTime = Math.max(lastPromptTime, record.appendTime());
        Prompt prompt = new Prompt(record, worker.parser().parse(record));
        uncommitted.put(record.offset(), prompt);
        worker.held(record.bytes());
        if (phase == Phase.OPEN) {
            take(prompt);
            commits.advance();
        }
    }

    private void take(Prompt prompt) {
        if (prompt.parsed().generationId() == null) {
            deadLetter(prompt);
            return;
        }
        if (!logs.isClaimed(prompt.key())) {
            // What the log already holds as a generation of its own stays one.
            Optional<GenerationKey> earlier = window.original(prompt.key(), prompt.appendTime());
            if (earlier.isPresent()) {
                repeat(prompt, earlier.get());
                return;
            }
        }
        window.began(prompt.key(), prompt.appendTime());
        if (logs.isEnded(prompt.key())) {
            done(prompt);
            return;
        }
        Generation generation = new Generation(this, prompt, logs.of(prompt.key()));
        if (mayHaveBegunInWhatWasDeleted(prompt)) {
            generation.beginningIsLost();
        }
        live.put(prompt.key(), generation);
        worker.admission().offer(generation);
    }

    /// Whether somebody may have begun it whose records are gone: its first ones may stand in what
    /// was deleted, it was there before this worker read, nothing is left that shows its beginning,
    /// and it is older than all that is left. By offsets and by the append times of two topics, not
    /// by this worker's clock. An offset that the log had not reached was not noted by a client
    /// that knew better.
    private boolean mayHaveBegunInWhatWasDeleted(Prompt prompt) {
        long end = Math.max(tokensAtOpening, deletedBefore);
        long tokensFrom = prompt.tokensFrom() <= end ? prompt.tokensFrom() : -1;
        return tokensFrom < deletedBefore
                && prompt.offset() < promptsBefore
                && !logs.isClaimed(prompt.key())
                && (tokensSince.isEmpty()
                        || prompt.appendTime()
                                <= tokensSince.getAsLong()
                                        + worker.settings().clockSkew().toMillis());
    }

    private void repeat(Prompt prompt, GenerationKey earlier) {
        prompt.repeats(earlier);
        LOG.log(
                Level.DEBUG,
                "partition={0} prompt={1,number,#} repeats generation={2} of prompt={3,number,#}",
                number(),
                prompt.offset(),
                earlier.generationId(),
                earlier.promptOffset());
        Generation generation = live.get(earlier);
        if (generation == null) {
            done(prompt);
        } else {
            generation.repeatedBy(prompt);
        }
    }

    /// A prompt that nobody can be told about: done as soon as its bytes are safe.
    private void deadLetter(Prompt prompt) {
        if (phase != Phase.OPEN) {
            return;
        }
        worker.deadLetter(
                prompt,
                prompt.parsed().refusal().orElseThrow(),
                0,
                result -> {
                    if (phase == Phase.GONE) {
                        return;
                    }
                    if (result instanceof SendResult.Failed) {
                        worker.after(RETRY_MILLIS, () -> deadLetter(prompt));
                    } else {
                        done(prompt);
                        commits.advance();
                    }
                });
    }

    private void done(Prompt prompt) {
        if (!prompt.isDone()) {
            prompt.done();
            worker.released(prompt.record().bytes());
        }
    }

    // ---- Tokens

    private void read(List<TokenRecord> records, long next) {
        if (phase == Phase.GONE) {
            return;
        }
        if (phase == Phase.READING) {
            pastEvents += records.size();
        }
        if (tokensSince.isEmpty() && phase == Phase.READING && !records.isEmpty()) {
            tokensSince = OptionalLong.of(records.getFirst().appendTime());
        }
        for (TokenRecord record : records) {
            // Before: what this record ends is committed at once, and it has been read by then.
            tokensRead = Math.max(tokensRead, record.offset() + 1);
            observe(record);
        }
        tokensRead = Math.max(tokensRead, next);
    }

    private void observe(TokenRecord record) {
        TokenEvent event = record.event();
        GenerationKey key = new GenerationKey(event.promptOffset(), event.generationId());
        if (phase == Phase.OPEN && key.promptOffset() < commits.committed() && !logs.knows(key)) {
            // Somebody who does not know yet that it ended long ago.
            return;
        }
        Applied applied = logs.apply(key, record.offset(), event);
        switch (applied) {
            case Applied.Claimed _ when event.attempt() == 1 ->
                    window.claimed(key, record.offset());
            case Applied.Ended _ -> window.ended(key, record.appendTime());
            case Applied.Claimed _, Applied.Extended _, Applied.Void _ -> {}
        }
        Generation generation = live.get(key);
        if (generation != null) {
            generation.observed(event, applied);
        }
    }

    /// A generation of this worker has come to its end in the log.
    void ended(Generation generation) {
        live.remove(generation.key());
        count(generation);
        done(generation.prompt());
        generation.repeats().forEach(this::done);
        commits.advance();
    }

    private void count(Generation generation) {
        boolean own =
                generation
                        .log()
                        .holder()
                        .filter(claim -> worker.settings().workerId().equals(claim.workerId()))
                        .isPresent();
        if (own) {
            String modelId = generation.prompt().parsed().modelId();
            generation.log().end().ifPresent(end -> worker.ports().meter().ended(modelId, end));
        }
    }

    // ---- Commit

    /// Runs the task after the group has accepted a commit of this worker that was sent from now
    /// on.
    void proveOwnership(Runnable proven) {
        commits.proveOwnership(proven);
    }

    @Override
    public void committed(long offset) {
        uncommitted.headMap(offset).clear();
        forget();
    }

    /// Up to the first prompt that is not done.
    @Override
    public Commit commit() {
        long offset = sequence.next();
        for (Prompt prompt : uncommitted.values()) {
            if (!prompt.isDone()) {
                offset = prompt.offset();
                break;
            }
        }
        return new Commit(offset, safeBeginning(offset));
    }

    /// The least of the first claims of all prompts from this offset on, and what was read so far.
    private long safeBeginning(long offset) {
        long least = logs.leastFirstClaim(offset, tokensRead);
        for (Prompt prompt : uncommitted.tailMap(offset).values()) {
            OptionalLong claim = window.firstClaim(prompt.generation());
            least = Math.min(least, claim.orElse(least));
            if (prompt.isBeginningLost()) {
                // Until it has ended, the next owner has to notice what this one noticed.
                least = Math.min(least, assignment.safeBeginning().orElse(0));
            }
        }
        return window.leastNeeded(lastPromptTime, least);
    }

    private void forget() {
        logs.forgetBefore(commits.committed());
        if (worker.now() - forgotAt < FORGET_MILLIS) {
            return;
        }
        forgotAt = worker.now();
        long oldest =
                uncommitted.isEmpty()
                        ? lastPromptTime
                        : uncommitted.firstEntry().getValue().appendTime();
        window.forgetBefore(oldest, commits.committed());
    }

    // ---- The end of the assignment

    /// Finishes the steps in hand, leaves the rest to the log.
    ///
    /// @param done told, once, what may be committed at last; nothing, if this worker has not read
    ///   far enough to say
    void handOver(Consumer<Optional<Commit>> done) {
        if (phase == Phase.LEAVING) {
            // Whoever asked first waits too.
            handedOver = handedOver.andThen(done);
            return;
        }
        if (phase == Phase.READING || phase == Phase.GONE) {
            gone();
            done.accept(Optional.empty());
            return;
        }
        phase = Phase.LEAVING;
        sequence.close();
        handedOver = done;
        for (Generation generation : live()) {
            generation.handOver();
        }
        handedOverIfQuiet();
    }

    /// A generation has nothing in hand any more.
    void left(Generation generation) {
        live.remove(generation.key());
        handedOverIfQuiet();
    }

    private void handedOverIfQuiet() {
        if (phase == Phase.LEAVING && live.isEmpty()) {
            Commit last = commit();
            gone();
            handedOver.accept(Optional.of(last));
        }
    }

    /// The assignment is over; nothing more may be published or committed.
    void lost() {
        if (phase == Phase.GONE) {
            return;
        }
        boolean wasLeaving = phase == Phase.LEAVING;
        for (Generation generation : live()) {
            generation.drop();
        }
        live.clear();
        gone();
        if (wasLeaving) {
            handedOver.accept(Optional.empty());
        }
    }

    private void gone() {
        phase = Phase.GONE;
        worker.ports().tokens().unfollow(number());
        for (Prompt prompt : uncommitted.values()) {
            done(prompt);
        }
        uncommitted.clear();
        sequence.close();
        gap.close();
    }
}
