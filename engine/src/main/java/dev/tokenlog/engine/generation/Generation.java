package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.generation.GenerationListener.Finish;
import dev.tokenlog.engine.generation.GenerationListener.Reason;
import dev.tokenlog.engine.generation.GenerationListener.Statistics;
import dev.tokenlog.engine.generation.GenerationListener.TokenLogProbability;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Sequence;
import java.util.Arrays;
import java.util.Set;
import java.util.function.Supplier;

/// One generation on its way through the loop. Belongs to the loop's thread, but for [#stop].
final class Generation implements GenerationHandle {

    private final GenerationRequest request;
    private final GenerationListener listener;
    private final Mailbox mailbox;
    private final long order;
    private final long submitted = System.nanoTime();

    /// Prompt, earlier tokens, and those made here.
    private int[] text;

    private int length;

    private int contextLength;

    private volatile boolean stopRequested;

    private Sequence sequence;
    private TextStream words;
    private StopTexts stopTexts;
    private SeenTokens seen;
    private int cached;

    /// Up to here, tokens are prefilled: all that were known when the cache was empty.
    private int prefill;

    private int completed;
    private int logitRow = -1;

    /// Null: nothing is guessed.
    private PromptLookup lookup;

    /// Guessed tokens in the step that comes or was last.
    private int drafts;

    private int drafted;
    private int accepted;
    private boolean started;
    private int reused;
    private int newlyReused;
    private long admitted;
    private long prefillStarted;
    private long firstToken;

    Generation(
            GenerationRequest request, GenerationListener listener, Mailbox mailbox, long order) {
        this.request = request;
        this.listener = listener;
        this.mailbox = mailbox;
        this.order = order;
        int prompt = request.promptIds().length;
        int done = request.doneIds().length;
        this.text = Arrays.copyOf(request.promptIds(), prompt + done);
        System.arraycopy(request.doneIds(), 0, text, prompt, done);
        this.length = text.length;
        this.prefill = length;
    }

    @Override
    public void stop() {
        stopRequested = true;
        mailbox.wake();
    }

    boolean isStopRequested() {
        return stopRequested;
    }

    GenerationRequest request() {
        return request;
    }

    GenerationListener listener() {
        return listener;
    }

    /// Who came first, where each level of priority overtakes so many places: constant, so that an
    /// endless row of larger ones does not keep a smaller one waiting for ever.
    static int compare(Generation a, Generation b) {
        int byPlace = Long.compare(a.place(), b.place());
        // Of equal places the later one has overtaken.
        return byPlace != 0 ? byPlace : Long.compare(b.order, a.order);
    }

    private long place() {
        return order - (long) GenerationRequest.PLACES * request.priority();
    }

    /// Takes the tokens of earlier runs.
    ///
    /// @return how they end the generation, or null if they do not
    Finish begin(
            int vocabularySize,
            int contextLength,
            Set<Integer> endOfSequence,
            Supplier<TextStream> texts) {
        this.contextLength = contextLength;
        if (!request.stop().isEmpty()) {
            words = texts.get();
            stopTexts = new StopTexts(request.stop());
        }
        seen = SeenTokens.ofPrompt(request, vocabularySize);
        Finish finish = null;
        for (int id : request.doneIds()) {
            finish = complete(id, endOfSequence);
            if (finish != null) {
                break;
            }
        }
        return finish;
    }

    /// Gets a sequence, and of its text what others have computed.
    void enter(Sequence newSequence) {
        sequence = newSequence;
        beginStep();
    }

    /// Stays: there is room for its text.
    ///
    /// @param guesses of its tokens; null if nothing may be guessed
    void admitted(Supplier<PromptLookup> guesses) {
        if (admitted == 0) {
            lookup = guesses.get();
            admitted = System.nanoTime();
            reused = Math.min(cached, request.promptIds().length);
        }
    }

    /// Loses its sequence, and reads its text again once it is admitted again.
    void leave() {
        release();
        sequence = null;
        cached = 0;
        prefill = length;
        logitRow = -1;
        drafts = 0;
        newlyReused = 0;
    }

    /// Tokens since the last call that it did not have to compute.
    int takeNewlyReused() {
        int tokens = newlyReused;
        newlyReused = 0;
        return tokens;
    }

    Sequence sequence() {
        return sequence;
    }

    /// Most tokens that its sequence will hold.
    int mostTokens(int contextLength) {
        long most = (long) request.promptIds().length + request.maxTokens();
        return (int) Math.min(most, contextLength);
    }

    /// Before each step. A text that outgrows the rotary factors it was read by is read again, but
    /// for what others have read meanwhile.
    void beginStep() {
        logitRow = -1;
        drafts = 0;
        if (lookup != null) {
            lookup.clear();
        }
        int kept = sequence.fit(length);
        if (kept < cached) {
            prefill = length;
            cached = kept;
        }
        if (isPrefilling()) {
            int known = sequence.reuse(text, length);
            newlyReused += known - cached;
            cached = known;
        }
    }

    /// Tokens that its sequence holds.
    int cached() {
        return cached;
    }

    /// Tokens of its text.
    int length() {
        return length;
    }

    /// Makes room for so many tokens of its text.
    boolean makeRoom(int tokens) {
        return sequence.makeRoom(tokens) >= tokens;
    }

    boolean isPrefilling() {
        return cached < prefill;
    }

    /// Guesses its next tokens.
    ///
    /// @return how many
    int guess() {
        if (lookup == null) {
            return 0;
        }
        lookup.look(text, length);
        return guessed();
    }

    /// Guessed tokens that could be computed: the last one of an answer is never guessed, and a
    /// text does not grow into other rotary factors within a step.
    int guessed() {
        if (lookup == null) {
            return 0;
        }
        int rest = Math.min(request.maxTokens() - completed, contextLength - length) - 1;
        return Math.min(lookup.size(), Math.min(rest, sequence.fitted() - length));
    }

    /// How likely a guessed token is right, if those before it are.
    double acceptance() {
        return lookup.rate();
    }

    /// Has one more of the guessed tokens computed in the next step.
    void draftOneMore() {
        drafts++;
    }

    /// Puts its next tokens into a batch: if it decodes, one and those that are guessed to follow
    /// it, each of which wants logits; up to `most` of its text otherwise; as far as there are
    /// pages.
    ///
    /// @return how many
    int fill(Batch batch, int most) {
        if (!started) {
            started = true;
            prefillStarted = System.nanoTime();
        }
        int count = Math.min(isPrefilling() ? most : 1, length - cached);
        int room = sequence.makeRoom(cached + count + drafts) - cached;
        count = Math.min(count, room);
        drafts = Math.min(drafts, room - count);
        for (int position = cached; position < cached + count; position++) {
            boolean last = position == length - 1;
            int row = batch.add(sequence, text[position], position, last);
            logitRow = last ? row : logitRow;
        }
        cached += count;
        for (int i = 0; i < drafts; i++) {
            batch.add(sequence, lookup.token(i), cached++, true);
        }
        drafted += drafts;
        return count + drafts;
    }

    /// The row of logits that follow its text in the batch that was stepped last, or -1. Those that
    /// follow each guessed token come next.
    int logitRow() {
        return logitRow;
    }

    int drafts() {
        return drafts;
    }

    /// A step with guessed tokens gave numbers that are none, which a wrong guess may have done:
    /// reads its text again and guesses no more.
    void startOver(Sequence fresh) {
        sequence.close();
        sequence = fresh;
        lookup = null;
        cached = 0;
        prefill = length;
    }

    /// Chooses the next tokens from its rows of logits and tells the listener: one, and one more
    /// for each guessed token that is the one chosen. The cache keeps what belongs to the text.
    ///
    /// @return how this ends the generation, or null if it does not
    Finish decode(
            Batch batch,
            Sampler sampler,
            LogProbabilities logProbabilities,
            Set<Integer> endOfSequence) {
        int row = logitRow;
        Finish finish = decode(batch, row, sampler, logProbabilities, endOfSequence);
        int right = 0;
        while (lookup != null
                && lookup.confirm(text[length - 1])
                && right < drafts
                && finish == null
                && !stopRequested) {
            right++;
            accepted++;
            finish = decode(batch, row + right, sampler, logProbabilities, endOfSequence);
        }
        if (cached > length - 1) {
            cached = length - 1;
            sequence.truncate(cached);
        }
        return finish;
    }

    private Finish decode(
            Batch batch,
            int row,
            Sampler sampler,
            LogProbabilities logProbabilities,
            Set<Integer> endOfSequence) {
        float[] logits = batch.logits();
        int offset = row * batch.vocabularySize();
        int index = completed;
        int token = sampler.sample(logits, offset, request.sampling(), seen, index, 0);
        TokenLogProbability logprob =
                request.alternatives() < 0
                        ? null
                        : logProbabilities.of(logits, offset, token, request.alternatives());
        if (firstToken == 0) {
            firstToken = System.nanoTime();
        }
        append(token);
        Finish finish = complete(token, endOfSequence);
        listener.onToken(index, token, logprob);
        return finish;
    }

    private void append(int token) {
        if (length == text.length) {
            text = Arrays.copyOf(text, 2 * length);
        }
        text[length++] = token;
    }

    private Finish complete(int token, Set<Integer> endOfSequence) {
        completed++;
        if (seen != null) {
            seen.output(token);
        }
        if (endOfSequence.contains(token)) {
            return finish(Reason.STOP, null);
        }
        String stop = stopTexts == null ? null : stopTexts.find(words.append(token));
        if (stop != null) {
            return finish(Reason.STOP, stop);
        }
        boolean full =
                completed >= request.maxTokens()
                        || request.promptIds().length + completed >= contextLength;
        return full ? finish(Reason.LENGTH, null) : null;
    }

    private Finish finish(Reason reason, String stop) {
        long now = System.nanoTime();
        long queue = (admitted == 0 ? now : admitted) - submitted;
        return new Finish(
                reason,
                stop,
                new Statistics(
                        request.promptIds().length,
                        reused,
                        completed,
                        queue,
                        firstToken == 0 ? 0 : firstToken - prefillStarted,
                        firstToken == 0 ? 0 : now - firstToken,
                        drafted,
                        accepted));
    }

    void release() {
        if (sequence != null) {
            sequence.close();
        }
    }
}
